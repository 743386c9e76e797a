"""What became of a campaign's customers: written down once, and nobody lost who was told of.

An outcome told again changes nothing. One that contradicts what is known is told and left alone, unless it is meant as
a correction. Outcomes of customers who are in no such campaign are told by id.
"""

from __future__ import annotations

from collections.abc import Mapping
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

STAYED, LEFT, OPEN = "stayed", "left", "open"
ANSWERS = {STAYED: True, LEFT: False, OPEN: None}


@dataclass(frozen=True)
class Settled:
    """What an import did: outcomes new (of these held_out belong to customers of the holdout), known already, changed
    (contradict what is known: corrected or left alone), and the ids that the campaign does not know."""

    new: int
    held_out: int
    known: int
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
        differ = [str(who) for who, row in told.items() if not _same(row, before[who])]
        more: dict[str, Any] = {"campaign_id": campaign, "source": source, "at": now}
        ledger.add(connection, OUTCOMES, new.reset_index().assign(**more))
        for who in differ if correct else []:
            _correct(connection, campaign, who, told[who], source, now)
        done = Settled(len(new), int(assigned[new.index].sum()), len(again) - len(differ), tuple(differ),
                       tuple(sorted(set(map(str, seen.index)) - set(assigned.index))), correct)
        state.record(actor, "outcomes", there.dataset, now, {
            "campaign": campaign, "source": source, "new": done.new, "held_out": done.held_out, "known": done.known,
            "contradicting": len(done.contradicting), "unknown": len(done.unknown), "corrected": correct},
            within=connection)
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


def _correct(connection: Connection, campaign: str, who: str, row: Mapping[Any, Any], source: str,
             now: datetime) -> None:
    mine = (OUTCOMES.c.campaign_id == campaign) & (OUTCOMES.c.customer_id == who)
    revenue = None if pd.isna(row["revenue"]) else float(row["revenue"])
    values = {"stayed": bool(row["stayed"]), "revenue": revenue, "source": source, "at": now,
              "observed_at": row["observed_at"]}
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
    if stayed and there.ends is not None and now < there.ends:
        return f"that somebody stayed is known once the window ends, on {there.ends:%Y-%m-%d}"
    if connection.scalar(sa.select(sa.func.count()).where(known)):
        return "its outcome is known already"
    row = {"campaign_id": campaign, "customer_id": customer_id, "observed_at": now, "stayed": stayed,
           "revenue": revenue, "source": "feedback", "at": now}
    connection.execute(sa.insert(OUTCOMES).values(row))
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
