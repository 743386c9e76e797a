"""What comes back from a campaign, and what it proves: outcomes of those treated and held out, and the measured result.

    settle_file, settle_from_data          from a file, or from the data's next version
    result(campaign) -> Result             what it saved, beside what was promised; trials of it feed the next plan
    overrides(dataset) -> Score            people on the save desk against the model
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from engine import catalog, limits, state
from engine.campaign import desk, ledger, outcomes
from engine.campaign.addresses import e_mail
from engine.campaign.ledger import Campaign
from engine.campaign.outcome_files import OutcomeFile, form, read_outcomes
from engine.campaign.outcomes import Settled
from engine.campaign.tables import ASSIGNMENTS, LAUNCHED
from engine.campaigning import MOST_EXPORTS, PER_SECONDS, contact_of
from engine.data.labels import labels
from engine.errors import EngineError
from engine.evidence import effects, results
from engine.evidence.overrides import Call, Score, score
from engine.evidence.results import Result
from engine.evidence.trials import settled
from engine.permissions import allow
from engine.schema import Actor, Dataset, Window


def settle_file(campaign: str, path: Path, *, observed_at: datetime | None = None, correct: bool = False, actor: Actor,
                now: datetime) -> tuple[Settled, OutcomeFile]:
    """Write down the outcomes in a file; what was new, and how the file was read, rejected rows among it."""
    allow(actor, "outcomes")
    read = read_outcomes(path, campaign, now=now, observed_at=observed_at, addresses=_addresses(campaign))
    return outcomes.settle(campaign, read.outcomes, path.name, correct=correct, actor=actor, now=now), read


def _addresses(campaign: str) -> dict[str, str]:
    """E-mail address -> the customer of the campaign who has it, "" where several do; none where the data have none."""
    there = ledger.get(campaign)
    customers = contact_of(catalog.dataset(there.dataset), ledger.table_of(campaign, ASSIGNMENTS)["customer_id"])
    found: dict[str, str] = {}
    for who, written in customers.get("email", pd.Series(dtype=object)).dropna().items():
        address, fault = e_mail(str(written))
        if not fault:
            found[address] = "" if address in found else str(who)
    return found


def feedback(dataset: str, customer_id: str, action: str, outcome: str, revenue_impact: float | None = None, *,
             campaign: str | None = None, note: str = "", actor: Actor, now: datetime) -> dict[str, Any]:
    """`outcomes.feedback` of a customer whom some version of the data holds, or the campaign.

    Raises:
        EngineError: when neither does, and whatever `outcomes.feedback` raises.
    """
    allow(actor, "feedback")
    catalog.dataset(dataset)
    versions = (catalog.dataset(dataset, version) for version in catalog.versions(dataset))
    if campaign is None and not any(len(version.frame({customer_id}, [])) for version in versions):
        raise EngineError(f"{dataset} knows no customer {customer_id!r}, so nothing was written down. Ids are compared "
                          "as text, zeros included; Customer Lookup finds one by a part of it.")
    return outcomes.feedback(dataset, customer_id, action, outcome, revenue_impact, campaign=campaign, note=note,
                             actor=actor, now=now)


def outcome_form(campaign: str, *, actor: Actor, now: datetime) -> tuple[str, bytes]:
    """A file to be filled in: its name, and as CSV every customer treated or held out, with empty columns for whether
    they stayed, what they paid and when it was seen. Recorded in the audit log.

    It does not say who is held out, so that nobody takes it for a list to send to.

    Raises:
        EngineError: when the campaign was never launched.
    """
    allow(actor, "outcomes")
    allow(actor, "export")
    limits.within(actor, "export", MOST_EXPORTS, PER_SECONDS, now)
    there = ledger.get(campaign)
    rows = ledger.table_of(campaign, ASSIGNMENTS)[["customer_id"]]
    if rows.empty:
        raise EngineError(f'"{there.name}" was never launched ({there.status}), so nothing can have become of it.')
    content = form(rows.assign(campaign_id=campaign))
    name = f"{there.dataset}-{campaign}-outcomes-{now:%Y%m%dT%H%M%SZ}.csv"
    state.record(actor, "export", there.dataset, now, {"campaign": campaign, "format": "outcomes", "rows": len(rows),
                                                       "file": name, "sha256": sha256(content).hexdigest()})
    return name, content


def settle_from_data(campaign: str, *, correct: bool = False, actor: Actor, now: datetime) -> Settled:
    """Write down what the dataset says of who has left since the launch: of orders and events its current version, of
    snapshots the first that was drawn after the window's end.

    Raises:
        EngineError: when the data do not reach the end of the label's window yet, are no newer than the plan, or speak
            of a later time.
    """
    allow(actor, "outcomes")
    there = ledger.get(campaign)
    ends = there.ends
    if ends is None:
        raise EngineError(f'"{there.name}" was never launched ({there.status}), so nothing can have become of it.')
    dataset = _told_by(there, ends)
    if dataset.version == there.version or dataset.observed_until < ends:
        raise EngineError(f"The data of {dataset.name} are known until {dataset.observed_until:%Y-%m-%d}; who stayed "
                          f"shows on {ends:%Y-%m-%d}, {there.horizon_days} days after the launch. Bring newer data.")
    seen = _seen(dataset, there, list(ledger.table_of(campaign, ASSIGNMENTS)["customer_id"]))
    return outcomes.settle(campaign, seen, f"data version {dataset.version}", correct=correct, actor=actor, now=now)


def _told_by(there: Campaign, ends: datetime) -> Dataset:
    """The version that says who stayed. A snapshot's answer is about the days before it was drawn: one drawn a whole
    window later says nothing of this one."""
    current = catalog.dataset(there.dataset)
    if current.kind != "snapshot":
        return current
    drawn = [catalog.dataset(there.dataset, version) for version in catalog.versions(there.dataset)]
    later = [version for version in drawn if version.kind == "snapshot" and version.observed_until >= ends
             and version.label.kind != "none"]
    first = min(later, key=lambda version: version.observed_until, default=current)
    if (first.observed_until - ends).days >= there.horizon_days:
        raise EngineError(f"The first data of {there.dataset} after {ends:%Y-%m-%d} were drawn on "
                          f"{first.observed_until:%Y-%m-%d}, {there.horizon_days} days or more after the window's end: "
                          "they say who left later. Bring the outcomes as a file.")
    return first


def _seen(dataset: Dataset, there: Campaign, ids: list[str]) -> pd.DataFrame:
    """Who left by the newer data's own label: within the window from the launch on, or as the new snapshot says."""
    launched = there.step(LAUNCHED)
    assert launched is not None, "Only a launched campaign has outcomes."
    as_of = dataset.observed_until if dataset.kind == "snapshot" else launched.at
    left = labels(dataset, [Window(as_of, there.horizon_days)], ids).reset_index("as_of", drop=True)
    left = left[left.index.isin(ids)]
    return pd.DataFrame({"customer_id": left.index.astype(str), "stayed": left.to_numpy() == 0, "revenue": float("nan"),
                         "observed_at": dataset.observed_until})


def result(campaign: str, *, actor: Actor) -> Result:
    """What the campaign brought, as far as outcomes are known.

    Raises:
        EngineError: when it was never launched.
    """
    allow(actor, "campaigns")
    there = ledger.get(campaign)
    if there.step(LAUNCHED) is None:
        raise EngineError(f'"{there.name}" was never launched ({there.status}), so there is nothing to measure.')
    return results.result(outcomes.with_outcomes(campaign), there.holdout_share, there.promised, there.ends)


def measured(dataset: str, *, actor: Actor) -> tuple[effects.Effect, ...]:
    """What all campaigns of the dataset with a holdout show together, per treatment and segment."""
    allow(actor, "campaigns")
    return effects.pooled(settled(dataset))


def overrides(dataset: str, *, actor: Actor) -> Score:
    """How often people on the save desk and the model were right where a person overrode it, as far as it is known: by
    the campaign's outcome, else by how the desk says it ended. Who spoke after that had hindsight, and is only counted.
    """
    found = [item for item in desk.items(dataset, actor=actor) if item.human_call]
    ended = desk.first_ends(dataset, actor=actor)
    seen = {name: _settled(name) for name in {item.campaign_id for item in found if item.campaign_id}}
    came = [(item, *_came(item, seen.get(item.campaign_id or "", {}), ended.get(item.id))) for item in found]
    known = [(item, what, item.human_at is not None and item.human_at > when) for item, what, when in came if what]
    calls = [Call(str(item.human_call), item.model_call, what) for item, what, late in known if not late]
    return replace(score(calls), hindsight=sum(late for *_, late in known))


def _settled(campaign: str) -> dict[str, tuple[bool, datetime]]:
    """Of whom it is known whether they stayed, and since when: by customer_id."""
    rows, ends = outcomes.with_outcomes(campaign), ledger.get(campaign).ends
    known = rows[rows["stayed"].notna() & ~outcomes.early(rows, ends)] if ends is not None else rows.iloc[:0]
    return {who: (stayed == 1, at.to_pydatetime()) for who, stayed, at in zip(
        known["customer_id"], known["stayed"], pd.to_datetime(known["observed_at"]), strict=True)}


def _came(item: desk.Item, seen: Mapping[str, tuple[bool, datetime]], ended: datetime | None) -> tuple[str, datetime]:
    """What came of the customer, and from when on somebody could know; "" while nobody knows."""
    if item.customer_id in seen:
        stayed, at = seen[item.customer_id]
        return desk.STAYS if stayed else desk.LEAVES, min(at, ended or at)
    what = {desk.RECOVERED: desk.STAYS, desk.LOST: desk.LEAVES}.get(item.stage, "")
    return what, ended or item.ended_at or item.created_at
