"""A campaign's result: what it saved, in customers and money, beside what the plan had promised.

Everyone assigned counts as assigned, whether the message arrived or not: that is what the campaign brings. Customers
whose outcome is not known yet count nowhere and are told. Cost is the expected cost booked in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from engine.campaign.outcomes import final, last_day
from engine.evidence import money
from engine.evidence.power import campaign_size
from engine.evidence.proportions import Strata, difference
from engine.schema import Estimate, plural, share, wording

STRATA = ("segment", "treatment")
MISSING_MATTERS = 0.05
FEW_PARTS = 3
WORKS, HARMS, UNSURE, NOTHING = "it works", "it drives customers away", "too small to tell", "nothing to compare"
COSTS, DEAR = "it costs more than it brings", "it keeps customers and costs more than they bring"


@dataclass(frozen=True)
class Side:
    """Those treated or those held out: how many, of how many the outcome is known, and how many of these left."""

    customers: int
    known: int
    left: int


@dataclass(frozen=True)
class Promise:
    """What the plan expected of those treated whose outcome is known; as a whole of all treated, while none is. saves
    [customers], incremental margin [currency], and roi (margin / cost); nan where nothing was to be spent. within: the
    same margin with the plan's interval; None where that interval is of other customers."""

    saves: float
    margin: float
    roi: float
    within: Estimate | None = None


@dataclass(frozen=True)
class Part:
    """What was measured of a campaign, or of one treatment or segment of it.

    uplift: share of leavers held out minus treated [-1..1]. saves: uplift x customers treated [customers]. margin: LTV
    saved - cost [currency]. roi: margin / cost. revenue: what those treated paid more within the window [currency].
    None where nothing compares. cost: of those treated whose outcome is known [currency]. verdict: one of the words
    above. needed: how many customers, holdout included, would tell the uplift that the plan expected; None where no
    number would, or enough was told.
    """

    name: str
    treated: Side
    held: Side
    cost: float
    promised: Promise
    uplift: Estimate | None
    saves: Estimate | None
    margin: Estimate | None
    roi: Estimate | None
    revenue: Estimate | None
    verdict: str
    needed: int | None


@dataclass(frozen=True)
class Result:
    """The campaign as a whole, by treatment and by segment, and what one must know to read it. caution: that it shows a
    part of the window only, in words; "" where it shows the whole, or nothing yet."""

    whole: Part
    treatments: tuple[Part, ...]
    segments: tuple[Part, ...]
    notes: tuple[str, ...]
    caution: str = ""


def result(rows: pd.DataFrame, holdout_share: float, promised: Estimate | None = None,
           ends: datetime | None = None) -> Result:
    """What the campaign brought.

    Args:
        rows: the ASSIGNMENTS columns and beside them `stayed` (0, 1, missing = not known) and `revenue`.
        holdout_share: the share that was held out [0..1], for the size that would tell.
        promised: the margin that the plan expected of all whom it was to treat; some may have been left out since.
        ends: when the window ends; given, who was seen staying before (`observed_at`) counts so far, and is told of.
    """
    whole_window = rows if ends is None else final(rows, ends)
    caution = "" if ends is None or whole_window is not None else _so_far(rows, ends)
    rows = rows if whole_window is None else whole_window
    rows = rows.assign(holdout=rows["holdout"].astype(bool), stayed=rows["stayed"].astype("float64"),
                       stratum=rows[list(STRATA)].astype(str).agg(" | ".join, axis=1))
    parts = {by: tuple(part(str(name), mine, holdout_share) for name, mine in rows.groupby(by, sort=True))
             for by in ("treatment", "segment")}
    whole = part("", rows, holdout_share)
    if not whole.treated.known:
        whole = replace(whole, promised=_promise(rows[~rows["holdout"]]))
    same = promised is not None and promised.n == (whole.treated.known or whole.treated.customers)
    whole = replace(whole, promised=replace(whole.promised, within=promised if same else None))
    return Result(whole, parts["treatment"], parts["segment"], _notes(whole, sum(map(len, parts.values()))), caution)


def _so_far(rows: pd.DataFrame, ends: datetime) -> str:
    """That the outcomes show a part of the window; "" while there are none."""
    known = int(rows["stayed"].notna().sum())
    late = int((pd.to_datetime(rows["observed_at"]) >= last_day(ends)).sum())
    if not known:
        return ""
    return (f"So far only: the window ends on {ends:%Y-%m-%d}, and of {plural(known, 'outcome')} {late:,} "
            f"{'was' if late == 1 else 'were'} seen then or later. Who stays until its end is not known before; no "
            "later plan learns from this until the outcomes are told again then.")


def part(name: str, rows: pd.DataFrame, holdout_share: float) -> Part:
    """What those rows show; see `result`."""
    known = rows[rows["stayed"].notna()]
    treated = known[~known["holdout"]]
    cost = float(treated["expected_cost"].sum())
    left, active, stratum = 1 - known["stayed"], ~known["holdout"], known["stratum"]
    uplift = difference(Strata.of(active, left, stratum))
    value = money.saved(active, left, stratum, known["ltv_if_stays"])
    margin = None if value is None else _shifted(_times(value, len(treated)), -cost)
    verdict = _verdict(uplift, margin)
    return Part(
        name, _side(rows[~rows["holdout"]]), _side(rows[rows["holdout"]]), cost, _promise(treated),
        uplift, None if uplift is None else _times(uplift, len(treated)), margin,
        None if margin is None or cost <= 0 else _times(margin, 1 / cost), _revenue(known, len(treated)),
        verdict, _needed(known, verdict, holdout_share))


def _side(rows: pd.DataFrame) -> Side:
    return Side(len(rows), int(rows["stayed"].notna().sum()), int((rows["stayed"] == 0).sum()))


def _promise(treated: pd.DataFrame) -> Promise:
    margin, cost = (float(treated[name].sum()) for name in ("incremental_margin", "expected_cost"))
    return Promise(float(treated["uplift"].sum()), margin, margin / cost if cost > 0 else float("nan"))


def _times(estimate: Estimate, factor: float) -> Estimate:
    return replace(estimate, value=estimate.value * factor, low=estimate.low * factor, high=estimate.high * factor)


def _shifted(estimate: Estimate, by: float) -> Estimate:
    return replace(estimate, value=estimate.value + by, low=estimate.low + by, high=estimate.high + by)


def _revenue(known: pd.DataFrame, treated: int) -> Estimate | None:
    paid = known[known["revenue"].notna()]
    found = money.mean_difference(paid["revenue"], (~paid["holdout"]).astype(float), paid["stratum"])
    return None if found is None else _times(found, treated)


def _verdict(uplift: Estimate | None, margin: Estimate | None) -> str:
    """What is sure of who stays, and whether the money is lost for sure: its whole interval below nothing."""
    if uplift is None:
        return NOTHING
    lost = margin is not None and margin.high < 0
    if uplift.high < 0:
        return HARMS
    if uplift.low > 0:
        return DEAR if lost else WORKS
    return COSTS if lost else UNSURE


def _needed(known: pd.DataFrame, verdict: str, holdout_share: float) -> int | None:
    """The size that would tell the planned uplift from nothing, where this one did not."""
    held = known[known["holdout"]]
    if verdict != UNSURE or not len(held):
        return None
    untreated = float(1 - held["stayed"].mean())
    return campaign_size(untreated, float(known.loc[~known["holdout"], "uplift"].mean()), holdout_share)


def _notes(whole: Part, parts: int) -> tuple[str, ...]:
    sides: Mapping[str, Side] = {"treated": whole.treated, "held out": whole.held}
    told = [f"Of {plural(side.customers - side.known, 'customer')} {words} ({share(_missing(side))}) the outcome is "
            "not known; they count nowhere." for words, side in sides.items() if side.known < side.customers]
    if abs(_missing(whole.treated) - _missing(whole.held)) > MISSING_MATTERS:
        told.append("Outcomes are missing more often on one side than on the other: the comparison may be biased.")
    if whole.uplift is not None and whole.uplift.n < whole.treated.known + whole.held.known:
        told.append("Groups of segment and treatment in which nobody was held out, or everybody, say nothing.")
    if whole.uplift is not None and parts > FEW_PARTS:
        told.append(f"Each of the {parts} parts has a 95 % interval of its own: one part in twenty stands apart by "
                    "chance alone. The whole decides.")
    if whole.held.customers == 0:
        told.append("Nobody was held out, so nothing can be measured: leave a holdout next time.")
    return tuple(told)


def _missing(side: Side) -> float:
    return 1 - side.known / side.customers if side.customers else 0.0


def in_words(part: Part, currency: str) -> str:
    """The result in a sentence or two, for those who decide."""
    if part.saves is None or part.margin is None:
        return "Nothing can be compared yet: outcomes of both treated and held-out customers are needed."
    saves = f"{part.saves.value:,.0f} customers saved ({part.saves.low:,.0f} to {part.saves.high:,.0f})"
    margin = part.margin
    brings = f"{wording.money(margin.value, currency)} ({wording.money_range(margin.low, margin.high, currency)})"
    if part.verdict != UNSURE:
        return f"{part.verdict.capitalize()}: {saves}, incremental margin {brings}, 95 % intervals."
    enough = f" About {wording.about(part.needed)} customers would tell the expected effect." if part.needed else ""
    return f"Too small to tell: {saves}, which includes none at all; incremental margin {brings}.{enough}"
