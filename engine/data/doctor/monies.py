"""What customers pay: which column says it, over which time, and in which currency; with evidence in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.data.doctor import vocabulary as words
from engine.data.doctor.looks import Look
from engine.data.doctor.recognise import ENOUGH, Part
from engine.data.doctor.vocabulary import says

MANY = 20


def money(looks: Mapping[str, Look], taken: frozenset[str]) -> tuple[Part, tuple[Part, ...]]:
    """The column with what a customer pays, the period it covers as value ("month" or days), and the next best ones."""
    found = [part for look in looks.values() if look.name not in taken and (part := _as_money(look)) is not None]
    ranked = sorted(found, key=lambda part: -part.confidence)
    if not ranked or ranked[0].confidence < ENOUGH:
        why = "no column says what a customer pays, so value is counted in months as a customer"
        return Part("money", "", 0.0, why), tuple(ranked[:3])
    return ranked[0], tuple(ranked[1:4])


def _as_money(look: Look) -> Part | None:
    name = look.plain
    two = (says(name, words.MONTHLY_MONEY) or _periodic(name) is not None) and look.low > 0
    if look.kind != "number" or look.distinct < 3 - two or (look.low < 0 and look.median <= 0) or look.high <= 0:
        return None
    if not look.whole and look.low >= 0 and look.high <= 1:
        return None  # shares
    marked = 0.08 * look.decorated
    if says(name, words.MONTHLY_MONEY) and not says(name, words.NOT_PAID):
        return Part("money", look.name, 0.88 + marked, "its name says what is paid a month", "month")
    if (period := _periodic(name)) is not None:
        return Part("money", look.name, 0.85 + marked, f"its name says what is paid {period[1]}", period[0])
    if (window := re.search(words.WINDOW, name)) is not None and (says(name, words.AHEAD) or _windowed(look, window)):
        return None if says(name, words.AHEAD) else _over(look, window)
    if says(name, words.NOT_REVENUE):
        return None
    if says(name, words.YEARLY_MONEY):
        return Part("money", look.name, 0.75 + marked, "its name says what is paid a year", "365")
    if says(name, words.TOTAL_MONEY):
        sure = 0.62 if re.search("total|lifetime|monetary|spen", name) else 0.5
        why = "its name says what was paid; over which time is not said, a year is taken"
        return Part("money", look.name, sure + marked, why, "365")
    return _in_currency(look) if look.distinct > MANY else None


def _periodic(name: str) -> tuple[str, str] | None:
    """The days for which a name says that something is paid again and again, other than months and years, and in
    words.

    >>> _periodic("weekly_price"), _periodic("daily_rate"), _periodic("weekly_hours")
    (('7', 'a week'), None, None)
    """
    if says(name, words.NOT_PAID):
        return None
    return next((period for period, pattern in words.PERIODIC_MONEY.items() if says(name, pattern)), None)


def _windowed(look: Look, window: re.Match[str]) -> bool:
    """Whether the name besides its window (90d, last_12_months) speaks of money: of what is also counted, such as
    bookings, only where the values are no whole numbers or carry a currency's sign."""
    rest = look.plain[:window.start()] + look.plain[window.end():]
    if says(rest, rf"{words.NOT_REVENUE}|{words.PAID_BACK}"):
        return False
    return says(rest, words.SPENT) or (says(rest, words.SOLD) and (not look.whole or bool(written_currency(look))))


def _over(look: Look, window: re.Match[str]) -> Part:
    """The money that was paid within the window that the column's name says."""
    days = round(int(window["count"]) * words.UNIT_DAYS[window["unit"][0]])
    sure = 0.75 + 0.08 * look.decorated
    return Part("money", look.name, sure, f"its name says what was paid in {days} days", str(days))


def _in_currency(look: Look) -> Part | None:
    """What is money by the currency in its cells or its name alone."""
    if look.decorated and written_currency(look):
        return Part("money", look.name, 0.45, f"its values are written as money, such as {look.example}", "month")
    if not (code := named_currency(look.name)) or says(look.plain, words.PAID_BACK):
        return None
    why = f"its name says {code}; over which time is not said, a month is taken"
    return Part("money", look.name, 0.45, why, "month")


def written_currency(look: Look) -> tuple[str, str] | None:
    """The sign or code of a currency in a column's cells, and a cell in which it stands."""
    signs = sorted(words.SYMBOLS, key=len, reverse=True)
    return next(((sign, text) for text, _ in look.values for sign in signs
                 if re.search(rf"(?<![A-Za-z]){re.escape(sign)}(?![A-Za-z])", text)), None)


def named_currency(name: str) -> str:
    """The sign or code of a currency in a column's name as it stands in the file; "" without.

    >>> named_currency("Spend (12m) €"), named_currency("amount_eur"), named_currency("try_count")
    ('€', 'EUR', '')
    """
    for sign in sorted(words.SYMBOLS, key=len, reverse=True):
        if re.fullmatch("[A-Z]{3}", sign):
            case = re.NOFLAG if sign in words.SAID_OTHERWISE else re.IGNORECASE
            beside = re.search(rf"(?:{words.PAID})_{sign.lower()}$", words.named(name))
            if beside or re.search(rf"(?<![A-Za-z]){sign}(?![A-Za-z])", name, case):
                return sign
        elif re.search(r"[^\w./\s]", sign) and sign in name:
            return sign
    return ""


def currency(seen: Mapping[str, Look], money: str) -> Part:
    """The currency whose sign or code stands in the money's cells or name, in a column of its own, or in others."""
    if not money:
        return Part("currency", evidence="there is no money")
    if written := written_currency(seen[money]):
        sign, text = written
        return Part("currency", money, 0.9, f"the sign {sign} stands in {text!r}", words.SYMBOLS[sign])
    if sign := named_currency(money):
        return Part("currency", money, 0.9, f"{sign} stands in its name", words.SYMBOLS[sign])
    if (told := _told_currency(seen, money)) is not None:
        return told
    codes = {words.SYMBOLS[sign] for name in seen if (sign := named_currency(name))}
    if len(codes) == 1:
        return Part("currency", money, 0.7, "a column's name says so", next(iter(codes)))
    return Part("currency", money, 0.0, "no sign or code says which")


def _told_currency(seen: Mapping[str, Look], money: str) -> Part | None:
    """The currency that a column of currencies says: one for all, or none where there are several."""
    for look in seen.values():
        codes = {words.SYMBOLS.get(text.strip().upper(), "") for text, _ in look.values}
        if codes and "" not in codes and re.fullmatch(words.CURRENCY, look.plain):
            if len(codes) == 1:
                return Part("currency", money, 0.9, f"every value of {look.name} is {look.example}", next(iter(codes)))
            return Part("currency", money, 0.0, f"{look.name} says several: {', '.join(sorted(codes))}")
    return None
