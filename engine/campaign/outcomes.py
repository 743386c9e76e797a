"""What became of a campaign's customers: written down once, and nobody lost who was told of.

An outcome told again changes nothing. One that contradicts what is known is told and left alone, unless it is meant as
a correction. That somebody stayed shows at the end of the campaign's window: who was seen staying before may leave yet,
and whatever is told later is news. Outcomes of customers who are in no such campaign are told by id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import state
from engine.campaign import ledger
from engine.campaign.tables import ASSIGNMENTS, CLOSED, FEEDBACK, LAUNCHED, OUTCOMES
from engine.errors import EngineError, choose
from engine.files import short_hash
from engine.permissions import allow
from engine.schema import Actor

EARLY_MATTERS = 0.05
STAYED, LEFT, OPEN = "stayed", "left", "open"
ANSWERS = {STAYED: True, LEFT: False, OPEN: None}


@dataclass(frozen=True)
class Settled:
    """What an import did: outcomes new (of these held_out belong to customers of the holdout), known already, renewed
    (told before the window's end, and now of its end), contradicting what is known (corrected or left alone), and the
    ids that the campaign does not know."""

    new: int
    held_out: int
    known: int
    renewed: int
    contradicting: tuple[str, ...]
    unknown: tuple[str, ...]
    corrected: bool = False


def settle(campaign: str, seen: pd.DataFrame, source: str, *, correct: bool = False, actor: Actor,
           now: datetime) -> Settled:
    """Write down what became of the campaign's customers; returns what was new.

    Args:
        seen: customer_id, stayed, revenue, observed_at; one row per customer.
        correct: whether what contradicts the ledger replaces it.

    Raises:
        EngineError: when the campaign was never launched.
    """
    allow(actor, "outcomes")
    seen = seen.astype({"stayed": bool, "revenue": "float64"}).set_index("customer_id", verify_integrity=True)
    with state.writer() as connection:
        state.alone(connection)
        there = _launched(connection, campaign)
        assigned = ledger.rows(connection, ASSIGNMENTS, campaign).set_index("customer_id")["holdout"]
        known = ledger.rows(connection, OUTCOMES, campaign).set_index("customer_id")
        ours = seen[seen.index.isin(assigned.index)]
        new, again = ours[~ours.index.isin(known.index)], ours[ours.index.isin(known.index)]
        told, before = (frame.to_dict("index") for frame in (again, known))
        renewed = [str(who) for who, row in told.items() if _renews(row, before[who], there)]
        differ = [str(who) for who, row in told.items() if who not in renewed and not _same(row, before[who])]
        more: dict[str, Any] = {"campaign_id": campaign, "source": source, "at": now}
        ledger.add(connection, OUTCOMES, new.reset_index().assign(**more))
        for who in [*renewed, *(differ if correct else [])]:
            _correct(connection, campaign, who, told[who], source, now)
        unknown = tuple(sorted(set(map(str, seen.index)) - set(assigned.index)))
        done = Settled(len(new), int(assigned[new.index].sum()), len(again) - len(differ) - len(renewed), len(renewed),
                       tuple(differ), unknown, correct)
        state.record(actor, "outcomes", there.dataset, now, {
            "campaign": campaign, "source": source, "new": done.new, "held_out": done.held_out, "known": done.known,
            "renewed": done.renewed, "contradicting": len(done.contradicting), "unknown": len(done.unknown),
            "corrected": correct}, within=connection)
    return done


def _launched(connection: Connection, campaign: str) -> ledger.Campaign:
    there = ledger.found(connection, campaign)
    if there.step(LAUNCHED) is None:
        raise EngineError(f'"{there.name}" was never launched ({there.status}), so nothing can have become of it.')
    if there.status == CLOSED:
        raise EngineError(f'"{there.name}" is closed; its result stands.')
    return there


def _same(told: Mapping[Any, Any], known: Mapping[Any, Any]) -> bool:
    """Whether both say the same; a revenue that only one of them tells contradicts nothing."""
    money = [one["revenue"] for one in (told, known)]
    return bool(told["stayed"] == known["stayed"]) and (any(pd.isna(money)) or abs(money[0] - money[1]) < 1e-9)


def _renews(told: Mapping[Any, Any], known: Mapping[Any, Any], there: ledger.Campaign) -> bool:
    """Whether it says of somebody who was seen staying before the window's end what came of them later."""
    assert there.ends is not None, "Only a launched campaign has outcomes."
    last = last_day(there.ends)
    later = told["observed_at"] > known["observed_at"] and (not told["stayed"] or told["observed_at"] >= last)
    return bool(known["stayed"] and known["observed_at"] < last and later)


def _correct(connection: Connection, campaign: str, who: str, row: Mapping[Any, Any], source: str,
             now: datetime) -> None:
    mine = (OUTCOMES.c.campaign_id == campaign) & (OUTCOMES.c.customer_id == who)
    values = {"stayed": bool(row["stayed"]), "source": source, "at": now, "observed_at": row["observed_at"]}
    if not pd.isna(row["revenue"]):
        values["revenue"] = float(row["revenue"])
    connection.execute(sa.update(OUTCOMES).where(mine).values(values))


def feedback(dataset: str, customer_id: str, action: str, outcome: str, revenue_impact: float | None = None, *,
             campaign: str | None = None, note: str = "", actor: Actor, now: datetime) -> dict[str, Any]:
    """Write down what was done for one customer and what came of it; the same again on the same day changes nothing.

    Args:
        outcome: "stayed", "left" or "open". campaign: its id, where it was done for one: then the outcome is its too.

    Raises:
        EngineError: when the action is empty, the outcome is none of these, or the campaign does not know the customer.
    """
    allow(actor, "feedback")
    answer = choose("outcome", outcome, ANSWERS)
    if not action.strip():
        raise EngineError("Say what was done: --action.")
    row = {"dataset": dataset, "customer_id": customer_id, "campaign_id": campaign, "action": action.strip(),
           "outcome": outcome, "revenue_impact": revenue_impact, "note": note.strip()}
    row["fingerprint"] = short_hash(*map(str, row.values()), now.date().isoformat())
    with state.writer() as connection:
        state.alone(connection)
        replayed = connection.scalar(sa.select(FEEDBACK.c.id).where(FEEDBACK.c.fingerprint == row["fingerprint"]))
        why_not = "" if campaign else "it was done for no campaign"
        if not replayed:
            connection.execute(sa.insert(FEEDBACK).values({**row, "actor": actor.id, "at": now}))
            if campaign:
                why_not = _also(connection, campaign, customer_id, answer, revenue_impact, now)
            state.record(actor, "feedback", dataset, now, {"customer_id": customer_id, "outcome": outcome,
                                                           "campaign": campaign}, within=connection)
    return {name: row[name] for name in row if name != "fingerprint"} | {
        "replayed": bool(replayed), "booked": not (replayed or why_not), "not_booked": why_not}


def _also(connection: Connection, campaign: str, customer_id: str, stayed: bool | None, revenue: float | None,
          now: datetime) -> str:
    """Let the campaign's outcome be what the feedback says; "", or why it is not. That somebody stayed shows at the end
    of the window alone, and who was held out and yet contacted tells nothing of either side."""
    there = _launched(connection, campaign)
    mine = (ASSIGNMENTS.c.campaign_id == campaign) & (ASSIGNMENTS.c.customer_id == customer_id)
    holdout = connection.scalar(sa.select(ASSIGNMENTS.c.holdout).where(mine))
    if holdout is None:
        raise EngineError(f"The campaign does not know the customer {customer_id!r}. Leave the campaign out.")
    known = (OUTCOMES.c.campaign_id == campaign) & (OUTCOMES.c.customer_id == customer_id)
    if stayed is None:
        return "its end is open"
    if holdout:
        return "the customer is held out, and who is contacted all the same tells nothing of those who are not"
    if stayed and there.ends is not None and now < last_day(there.ends):
        return f"that somebody stayed is known once the window ends, on {there.ends:%Y-%m-%d}"
    row = {"observed_at": now, "stayed": stayed, "revenue": revenue}
    before = connection.execute(sa.select(OUTCOMES).where(known)).first()
    if before is not None and not _renews(row, before._mapping, there):
        return "its outcome is known already"
    if before is not None:
        _correct(connection, campaign, customer_id, row, "feedback", now)
        return ""
    ids = {"campaign_id": campaign, "customer_id": customer_id}
    connection.execute(sa.insert(OUTCOMES).values({**ids, **row, "source": "feedback", "at": now}))
    return ""


def feedback_of(dataset: str, customer_id: str, *, actor: Actor) -> list[dict[str, Any]]:
    """All feedback about one customer, the newest first."""
    allow(actor, "feedback")
    mine = (FEEDBACK.c.dataset == dataset) & (FEEDBACK.c.customer_id == customer_id)
    with state.reader() as connection:
        rows = connection.execute(sa.select(FEEDBACK).where(mine).order_by(FEEDBACK.c.id.desc())).all()
    return [{name: value for name, value in row._mapping.items() if name not in ("id", "fingerprint")} for row in rows]


def with_outcomes(campaign: str) -> pd.DataFrame:
    """The campaign's assignments, and beside each what became of it: stayed (0, 1, missing = not known), revenue."""
    with state.reader() as connection:
        rows = ledger.rows(connection, ASSIGNMENTS, campaign)
        seen = ledger.rows(connection, OUTCOMES, campaign)
    return rows.merge(seen[["customer_id", "observed_at", "stayed", "revenue"]], on="customer_id", how="left").astype(
        {"stayed": "float64", "revenue": "float64"})


def told_so_far(campaigns: Collection[str]) -> dict[str, tuple[int, datetime]]:
    """By campaign how many outcomes are known, and when the last of them was written down; none without any."""
    one = OUTCOMES.c.campaign_id
    asked = sa.select(one, sa.func.count(), sa.func.max(OUTCOMES.c.at)).where(one.in_(sorted(campaigns))).group_by(one)
    with state.reader() as connection:
        return {name: (int(number), last) for name, number, last in connection.execute(asked)}


def last_day(ends: datetime) -> datetime:
    """From when on it shows who has stayed: the first moment of the window's last day, for files name days alone.

    >>> last_day(datetime(2024, 8, 30, 14, 12))
    datetime.datetime(2024, 8, 30, 0, 0)
    """
    return datetime(ends.year, ends.month, ends.day)


def early(rows: pd.DataFrame, ends: datetime) -> pd.Series:
    """Who was seen staying before the window's end, and may leave yet. `rows`: stayed and observed_at."""
    return (rows["stayed"] == 1) & (pd.to_datetime(rows["observed_at"]) < last_day(ends))


def final(rows: pd.DataFrame, ends: datetime) -> pd.DataFrame | None:
    """The rows of `with_outcomes` as the whole window shows them: who was seen staying before its end is not known.

    None while they show a part of the window: nobody was seen at its end or later, or more than EARLY_MATTERS of those
    told were seen staying before it; whoever had left by then would be all that is known.
    """
    told, open_ = rows["stayed"].notna(), early(rows, ends)
    if not (pd.to_datetime(rows["observed_at"]) >= last_day(ends)).any() or open_.sum() > EARLY_MATTERS * told.sum():
        return None
    return rows.assign(stayed=rows["stayed"].mask(open_))
