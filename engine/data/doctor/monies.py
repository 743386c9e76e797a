"""What customers pay: which column says it, over which time, and in which currency; with evidence in words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.data.doctor import vocabulary as words
from engine.data.doctor.faults import Fault
from engine.data.doctor.looks import Look
from engine.data.doctor.recognise import ENOUGH, Part
from engine.data.doctor.vocabulary import says
from engine.schema import Finding

MANY = 20
MOST, NEARLY_ALL = 0.5, 0.9  # customers of whom a column says nothing or 0, where it is no money that they pay
SAID, GUESS = 0.62, 0.55


def money(looks: Mapping[str, Look], taken: frozenset[str], sector: str = "") -> tuple[Part, tuple[Part, ...]]:
    """The column with what a customer pays, the period it covers as value ("month" or days), and the next best ones.

    sector: the company's, where it is known: in some the price of anything is that of a subscription.
    """
    plan = _plan(looks, taken, sector)
    found = [part for look in looks.values() if look.name not in taken and (part := _as_money(look, plan)) is not None]
    ranked = sorted(found, key=lambda part: -part.confidence)
    if not ranked or ranked[0].confidence < ENOUGH:
        why = "no column says what a customer pays, so value is counted in months as a customer"
        return Part("money", "", 0.0, why), tuple(ranked[:3])
    return ranked[0], tuple(ranked[1:4])


def passed_over(looks: Mapping[str, Look], taken: frozenset[str], sector: str = "") -> tuple[Fault, ...]:
    """Why columns that speak of money are not taken for what customers pay, where no other column is."""
    plan = _plan(looks, taken, sector)
    some = [look for look in looks.values() if look.name not in taken and _as_money(look, plan) is None]
    return tuple(fault for look in some if (fault := _not_taken(look, plan)) is not None)


def _not_taken(look: Look, plan: str) -> Fault | None:
    if look.kind != "number" or look.low < 0 or look.high <= 0:
        return None
    if (none := unpaid(look)) > MOST and _as_money(look, plan, of_few=True) is not None:
        what = (f"It speaks of money, but is 0 or blank for {100 * none:.0f} % of customers: it is not taken for what "
                "customers pay.")
        return Fault(Finding("warning", look.name, what, "Name it as the money if it is nevertheless; value is counted "
                             "in months as a customer until then.", look.rows))
    each = says(look.plain, words.PER_OCCASION) or (says(look.plain, "avg|average|mean")
                                                    and written_currency(look) is not None)
    if not each or says(look.plain, words.PAID_BACK) or (not look.whole and look.high <= 1):
        return None
    what = ("It says what is paid each time, not over which time: it is not taken for what customers pay, and value is "
            "counted in months as a customer.")
    fix = ("Bring what a customer paid in all (this, times how often) as a column of its own, and name that as the "
           "money.")
    return Fault(Finding("warning", look.name, what, fix, look.rows))


def unpaid(look: Look) -> float:
    """The share of customers of whom a column says nothing or 0."""
    zeros = sum(rows for text, rows in look.values if set(re.sub(r"\D", "", text)) == {"0"})
    return look.blank + zeros / max(look.rows, 1)


def _plan(looks: Mapping[str, Look], taken: frozenset[str], sector: str) -> str:
    """What shows that customers have subscriptions: a column of plans, or else the sector; "" where nothing does, and
    where premiums are paid a year."""
    if sector == "insurance":
        return ""
    for look in looks.values():
        if look.name not in taken and look.kind in ("category", "flag") and re.fullmatch(words.A_PLAN, look.plain):
            return f"the plans in {look.name}"
    return f"the sector {sector}" if sector in words.BY_SUBSCRIPTION else ""


def _as_money(look: Look, plan: str = "", of_few: bool = False) -> Part | None:
    """The column as money, if it is any. plan: what shows that there are subscriptions; of_few: also where most
    customers pay nothing."""
    name = look.plain
    rate = says(name, words.MONTHLY_MONEY) or _periodic(name) is not None or bool(plan and _of_a_plan(name))
    two = rate and look.low > 0
    if look.kind != "number" or look.distinct < 3 - two or (look.low < 0 and look.median <= 0) or look.high <= 0:
        return None
    if not look.whole and look.low >= 0 and look.high <= 1:
        return None  # shares
    found = _named_money(look, plan)
    enough = NEARLY_ALL if found is not None and found.confidence >= SAID else MOST
    return found if of_few or unpaid(look) <= enough else None


def _named_money(look: Look, plan: str) -> Part | None:
    """The money that a column's name or its currency speaks of, however many customers pay it."""
    name, marked = look.plain, 0.08 * look.decorated
    if says(name, words.MONTHLY_MONEY) and not says(name, rf"{words.NOT_PAID}|{words.ONE_TIME}"):
        return Part("money", look.name, 0.88 + marked, "its name says what is paid a month", "month")
    if (period := _periodic(name)) is not None:
        return Part("money", look.name, 0.85 + marked, f"its name says what is paid {period[1]}", period[0])
    if (window := _window(name)) is not None and (says(name, words.AHEAD) or _windowed(look, window[0])):
        return None if says(name, words.AHEAD) else _over(look, window[1])
    if says(name, rf"{words.NOT_REVENUE}|{words.ONE_TIME}|{words.PER_OCCASION}"):
        return None
    if plan and _of_a_plan(name):
        why = f"its name says what is paid; over which time is not said, and a month is taken because of {plan}"
        return Part("money", look.name, GUESS + marked, why, "month")
    if says(name, words.YEARLY_MONEY):
        return Part("money", look.name, 0.75 + marked, "its name says what is paid a year", "365")
    if says(name, words.TOTAL_MONEY):
        sure = SAID if re.search("total|lifetime|monetary|spen", name) else 0.5
        why = "its name says what was paid; over which time is not said, a year is taken"
        return Part("money", look.name, sure + marked, why, "365")
    return _in_currency(look) if look.distinct > MANY else None


def _of_a_plan(name: str) -> bool:
    """Whether a name says a price and neither of what nor over which time, but for its currency.

    >>> _of_a_plan("fee_eur"), _of_a_plan("plan_fee"), _of_a_plan("total_charges"), _of_a_plan("annual_premium")
    (True, True, False, False)
    """
    besides = rf"{words.A_PLAN}|{'|'.join(code.lower() for code in words.SYMBOLS if code.isalpha())}"
    return re.fullmatch(rf"(?:(?:{besides})_)?(?:{words.OF_A_PLAN})(?:_(?:{besides}))?", name) is not None


def _window(name: str) -> tuple[re.Match[str], float] | None:
    """Where a name says a window (90d, last_12_months, d7), and its days."""
    if (found := re.search(words.WINDOW, name)) is not None:
        return found, int(found["count"]) * words.UNIT_DAYS[found["unit"][0]]
    if (found := re.search(words.BY_DAY, name)) is not None:
        unit = next(unit for unit, count in found.groupdict().items() if count)
        return found, int(found[unit]) * words.UNIT_DAYS[unit]
    return None


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


def _over(look: Look, length: float) -> Part:
    """The money that was paid within the window that the column's name says."""
    days = round(length)
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
    return _beside(seen, money)


def _beside(seen: Mapping[str, Look], money: str) -> Part:
    """The currency whose sign or code stands in other columns' cells: only one, or none is taken."""
    found = {look.name: written for look in seen.values() if look.kind == "number" and
             (written := written_currency(look)) and re.search(r"[^\w./\s]|^[A-Z]{3}$", written[0])}
    codes = {words.SYMBOLS[sign] for sign, _ in found.values()}
    if len(codes) == 1:
        name, (sign, text) = next(iter(found.items()))
        return Part("currency", money, 0.6, f"{money} does not say it; the sign {sign} stands in {text!r} of {name}",
                    next(iter(codes)))
    said = f"; other columns say several: {', '.join(sorted(codes))}" if codes else ""
    return Part("currency", money, 0.0, f"no sign or code says which{said}")


def _told_currency(seen: Mapping[str, Look], money: str) -> Part | None:
    """The currency that a column of currencies says: one for all, or none where there are several."""
    for look in seen.values():
        codes = {words.SYMBOLS.get(text.strip().upper(), "") for text, _ in look.values}
        if codes and "" not in codes and re.fullmatch(words.CURRENCY, look.plain):
            if len(codes) == 1:
                return Part("currency", money, 0.9, f"every value of {look.name} is {look.example}", next(iter(codes)))
            return Part("currency", money, 0.0, f"{look.name} says several: {', '.join(sorted(codes))}")
    return None
