"""Numbers as people read them: money short enough for a card, shares in per cent; and sentences of several places."""

from __future__ import annotations

import math

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
ISO_CODE = 3
NO_REASONS = "The model knows nothing about who leaves, so what moves its answer is chance and no reason."


def money(value: float, currency: str, like: float | None = None) -> str:
    """Money short enough for a card.

    like: an amount whose scale it takes, so that two amounts that belong together are read in one.

    >>> money(1_234_567.0, "USD"), money(940.4, "USD"), money(-12_300, "EUR"), money(7.5, "")
    ('$1.2M', '$940', '-€12.3k', '7.50')
    >>> money(0.0, "USD"), money(4_175, "USD", like=14_800), money(20.5, "months")
    ('$0', '$4.2k', '20.50 months')
    """
    size, scale = abs(value), abs(value if like is None else like)
    if scale >= 1e6:
        text = f"{size / 1e6:,.1f}M"
    elif scale >= 1e4:
        text = f"{size / 1e3:,.1f}k"
    else:
        text = f"{size:,.0f}" if scale >= 100 or not size else f"{size:,.2f}"
    return _signed(value, text, currency)


def around(currency: str) -> tuple[str, str]:
    """What stands before and behind a number: a currency before it, any other unit behind.

    >>> around("USD"), around("SEK"), around("months"), around("")
    (('$', ''), ('SEK ', ''), ('', ' months'), ('', ''))
    """
    if currency.islower():
        return "", f" {currency}"
    return SIGNS.get(currency, f"{currency} " if currency else ""), ""


def give_or_take(value: float, half: float, currency: str) -> str:
    """Money with half the width of its interval, both in the money's scale.

    >>> give_or_take(185_400, 13_900, "USD"), give_or_take(45_000, 1_900, "months")
    ('$185.4k ± $13.9k', '45.0k ± 1.9k months')
    """
    return f"{cost(value, currency)} ± {money(half, currency, value)}"


def cost(value: float, currency: str, like: float | None = None) -> str:
    """Money, but without a unit where value is not counted in money but, say, in months: so what something costs, and a
    number whose unit stands beside it.

    >>> cost(4.0, "EUR"), cost(4.0, "months")
    ('€4.00', '4.00')
    """
    return money(value, "" if currency.islower() else currency, like)


def money_range(low: float, high: float, currency: str) -> str:
    """An interval of money, both ends in the scale of the larger one.

    >>> money_range(51.95, 23_800, "GBP"), money_range(-640, 90, "USD")
    ('£0.1k to £23.8k', '-$640 to $90')
    >>> money_range(2, 14, "months")
    '2.00 to 14.00 months'
    """
    like = max(low, high, key=abs)
    return f"{cost(low, currency, like)} to {money(high, currency, like)}"


def money_in_full(value: float, currency: str) -> str:
    """Money to the unit, as somebody has typed it.

    >>> money_in_full(20_000.0, "USD"), money_in_full(-1_500, "SEK")
    ('$20,000', '-SEK 1,500')
    """
    return _signed(value, f"{abs(value):,.0f}", currency)


def to_the_cent(value: float, currency: str) -> str:
    """A sum that was really paid: to the cent.

    >>> to_the_cent(1234.5, "GBP"), to_the_cent(7, "SEK")
    ('£1,234.50', 'SEK 7.00')
    """
    return _signed(value, f"{abs(value):,.2f}", currency)


def with_unit(number: float, digits: int, unit: str) -> str:
    """The number with its unit behind it; a currency, named by its ISO code, stands in front as in all money.

    >>> with_unit(12, 0, "months"), with_unit(-7.5, 2, "EUR per month"), with_unit(1500, 0, "SEK")
    ('12 months', '-€7.50 per month', 'SEK 1,500')
    """
    first, _, rest = unit.partition(" ")
    if len(first) == ISO_CODE and first.isalpha() and first.isupper():
        return f"{_signed(number, f'{abs(number):,.{digits}f}', first)} {rest}".strip()
    return f"{number:,.{digits}f} {unit}".strip()


def _signed(value: float, text: str, currency: str) -> str:
    before, behind = around(currency)
    return f"{'-' if value < 0 else ''}{before}{text}{behind}"


def about(number: float) -> str:
    """A number that is an estimate itself: to two digits, millions in words.

    >>> about(1_979_054), about(2_349_000), about(7_682), about(84), about(0)
    ('2 million', '2.3 million', '7,700', '84', '0')
    """
    digits = 1 - math.floor(math.log10(abs(number))) if number else 0
    whole = round(number, digits)
    return f"{whole / 1e6:,.12g} million" if abs(whole) >= 1e6 else f"{whole:,.0f}"


def share(value: float) -> str:
    """A share in per cent.

    >>> share(0.2654)
    '26.5 %'
    >>> share(-0.0001)
    '0.0 %'
    """
    return f"{round(100 * value, 1) + 0.0:.1f} %"
