"""What a simulated campaign says, in words."""

from __future__ import annotations

from engine.decision.recovery.band import Outcome, Simulation
from engine.schema import Estimate, money, money_in_full, plural, share


def sentence(found: Simulation, currency: str) -> str:
    """The answer to "what do we get for this budget?", computed from the simulation."""
    total, budget = found.total, money_in_full(found.scenario.budget, currency)
    if not found.whole:
        return "Nobody can be contacted in the segments chosen: each of them is left out, for the reason given below."
    if not total.customers:
        return _nothing(found, currency)
    if total.investment >= 0.995 * found.scenario.budget:
        spent = f"{budget} buys"
    elif found.scenario.whole_budget:
        spent = f"contacting everybody takes {money(total.investment, currency)} of the {budget}: it buys"
    else:
        spent = f"only {money(total.investment, currency)} of the {budget} is worth spending: it buys"
    return (f"At these assumptions {spent} {saves(total.saves.value)} and {_returns(total.net, currency)}; "
            f"it breaks even when {break_even_words(total)}.")


def _nothing(found: Simulation, currency: str) -> str:
    everybody = found.everybody
    least = min(found.whole.values(), key=lambda segment: segment.break_even)
    if not found.scenario.budget:
        return f"Nothing is invested. Contacting everybody in these segments would cost {money(everybody, currency)}."
    return (f"At these assumptions no contact pays for itself, so nothing is worth spending. Contacting all of "
            f"{least.segment}, the nearest to paying, would break even when {break_even_words(least)}.")


def _returns(net: Estimate, currency: str) -> str:
    low, high = money(net.low, currency), money(net.high, currency)
    verb = "returns" if net.value >= 0 else "loses"
    return f"{verb} {money(abs(net.value), currency)} net (90 % band {low} to {high})"


def saves(value: float) -> str:
    """Expected saves in words.

    >>> saves(143.2), saves(2.63), saves(1.0)
    ('143 saves', '2.6 saves', '1.0 saves')
    """
    return plural(round(value), "save") if value >= 10 else f"{value:.1f} saves"


def break_even_words(found: Outcome) -> str:
    """The recovery rate that returns nothing, said of the leavers.

    >>> from types import SimpleNamespace
    >>> break_even_words(SimpleNamespace(break_even=0.061)), break_even_words(SimpleNamespace(break_even=1.4))
    ('6.1 % of leavers are kept', 'more than 100 % of leavers are kept: it cannot pay')
    """
    if found.break_even > 1:
        return "more than 100 % of leavers are kept: it cannot pay"
    return f"{rate_words(found.break_even)} of leavers are kept"


def rate_words(rate: float) -> str:
    """A recovery rate, small ones too; above 1 none can pay.

    >>> rate_words(0.061), rate_words(0.00024), rate_words(1.4)
    ('6.1 %', '0.02 %', '> 100 %: cannot pay')
    """
    if rate > 1:
        return "> 100 %: cannot pay"
    return share(rate) if rate >= 0.01 or rate == 0 else f"{100 * rate:.2f} %"


def roi_words(found: Outcome) -> str:
    """Net return / investment in per cent; a dash when nothing is invested.

    >>> from types import SimpleNamespace
    >>> roi_words(SimpleNamespace(roi=Estimate(3.99, 0.0, 9.0, 10, ""))), roi_words(SimpleNamespace(roi=None))
    ('399 %', '-')
    """
    return percent(found.roi.value) if found.roi else "-"


def percent(value: float) -> str:
    """A ratio in whole per cent.

    >>> percent(-0.153), percent(82.36)
    ('-15 %', '8,236 %')
    """
    return f"{100 * value:,.0f} %"
