"""What the campaigns so far have brought, beside what their plans promised: no single customer, so for every role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from engine import settling
from engine.campaign import ledger, outcomes
from engine.campaign.ledger import Campaign
from engine.campaign.tables import LAUNCHED
from engine.evidence.results import Part, Result
from engine.schema import money, plural
from ui.campaigns.outcome import between, in_money
from ui.components import card, empty
from ui.state import Here, remembered
from ui.tables import table

MOST = 12
HEADS = {"name": "Campaign", "verdict": "Verdict", "launched": "Launched", "spend": "Planned spend",
         "treated": "Treated", "held": "Held out", "promised": "Saves promised", "saved": "Saved",
         "margin": "Incremental margin"}


def track_record(here: Here) -> None:
    """The launched campaigns, the latest first, each with what its holdout shows."""
    launched = [one for one in ledger.campaigns(here.dataset.name) if one.step(LAUNCHED)]
    if not launched:
        empty("No campaign has been launched yet.", "What campaigns really saved, measured against their holdouts, "
              "stands here then. They are planned and launched in the Action Center.")
        return
    rows = [_row(one, found) for one, found in _results(launched[:MOST], here)]
    more = f" The latest {MOST} of {len(launched)}." if len(launched) > MOST else ""
    with card("What campaigns have really saved", "Those treated against those held out, with 95 % intervals; saves "
              f"promised are the plan's, of customers whose outcome is known.{more}"):
        table(rows, HEADS, "recovery_track_record", "Each campaign's measured result", words=2)


def _results(launched: Sequence[Campaign], here: Here) -> Iterator[tuple[Campaign, Result]]:
    """Each campaign's result, counted anew only when outcomes have come or customers were erased."""
    told = outcomes.told_so_far([one.id for one in launched])
    for one in launched:
        key = ("brought", here.actor.role, one.id, one.erased, told.get(one.id))
        yield one, remembered(key, partial(settling.result, one.id, actor=here.actor))


def _row(one: Campaign, found: Result) -> dict[str, str]:
    whole, step = found.whole, one.step(LAUNCHED)
    assert step is not None, "Only launched campaigns stand here."
    return {"name": one.name, "verdict": _verdict(one, whole), "launched": f"{step.at:%d %b %Y}",
            "spend": money(one.spend, one.currency), "treated": f"{whole.treated.customers:,}",
            "held": f"{whole.held.customers:,}", "promised": f"{whole.promised.saves:,.1f}",
            "saved": between(whole.saves), "margin": in_money(whole.margin, one.currency)}


def _verdict(one: Campaign, whole: Part) -> str:
    if whole.saves is not None:
        return whole.verdict.capitalize()
    known = plural(whole.treated.known + whole.held.known, "outcome")
    return f"Not measured yet: {known} known; the window ends on {one.ends:%d %b %Y}"
