"""Telephone numbers as every tool takes them, E.164: a plus, the country's code, the number, at most fifteen digits.

Countries' codes, trunk prefixes and lengths are those of the library phonenumbers. A number is taken when its length is
possible in its country; whether anybody answers, only the network knows.
"""

from __future__ import annotations

import re
from functools import lru_cache

from engine.errors import EngineError

E164 = re.compile(r"\+[1-9]\d{6,14}")
WRITTEN = re.compile(r"\+?[\d\s()./\-\u2010-\u2015\u00a0]+")


@lru_cache(maxsize=65_536)
def e164(text: str, country: str = "") -> tuple[str, str]:
    """The number as E.164 and "", or "" and why it cannot be one.

    country: two letters, for numbers that are written as one writes them within it.

    >>> e164("030 / 123 456", "DE"), e164("(415) 555-0132", "US"), e164("0049 30 123456")
    (('+4930123456', ''), ('+14155550132', ''), ('+4930123456', ''))
    >>> e164("030 123456")
    ('', 'no country code, and no default country is set')
    """
    import phonenumbers

    text = re.sub(r"^(?:tel|phone)\s*:\s*", "", text.strip(), flags=re.IGNORECASE).strip("'")
    text = re.sub(r"(?<=\d)\.0$", "", text).replace("(0)", "")
    if not text:
        return "", "empty"
    if not WRITTEN.fullmatch(text):
        return "", "holds more than a number"
    text = re.sub(r"^00(?=[1-9])", "+", text)
    if not text.startswith("+") and not country:
        return "", "no country code, and no default country is set"
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return "", "not a telephone number"
    if not phonenumbers.is_possible_number(number):
        return "", "too short or too long for its country"
    form = phonenumbers.PhoneNumberFormat.E164
    found = phonenumbers.format_number(number, form)
    if not E164.fullmatch(found):
        return "", "too long for E.164"
    again = phonenumbers.format_number(phonenumbers.parse(found), form)  # nothing but zeros is read as another number
    return (found, "") if again == found else ("", "not a telephone number")


@lru_cache(maxsize=65_536)
def country_of(number: str) -> str:
    """The country of an E.164 number in two letters; "" where it belongs to none.

    Of a code that several share, the main one where the number itself does not say whose it is.

    >>> country_of("+4930123456"), country_of("+14165550132"), country_of("+19995550132"), country_of("+80012345678")
    ('DE', 'CA', 'US', '')
    """
    import phonenumbers

    parsed = phonenumbers.parse(number)
    region = phonenumbers.region_code_for_number(parsed)
    region = region or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return region if len(region) == 2 and region.isalpha() else ""


def checked_country(country: str) -> str:
    """The country in two capital letters, or "" for none; EngineError where no country is called so.

    >>> checked_country(" de ")
    'DE'
    """
    import phonenumbers

    country = country.strip().upper()
    if country and country not in phonenumbers.SUPPORTED_REGIONS:
        raise EngineError(f"There is no country {country!r}. Give the two letters of ISO 3166, such as US, GB or DE; "
                          "telephone numbers without a country code are read by it.")
    return country
