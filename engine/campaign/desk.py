"""The save desk: whom to speak with first, who does it until when, how it stands, and what the person knew better.

The list is ranked by expected incremental margin per minute of the agent's time and cut at the day's capacity: that is
the best order for a divisible day (Dantzig 1957), and at most one conversation short of the best for a whole one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import state
from engine.campaign.tables import DESK_HISTORY, DESK_ITEMS
from engine.errors import EngineError, choose
from engine.permissions import allow
from engine.schema import Actor, jsonable

AT_RISK, PLAN, SAVING, RECOVERED, LOST = STAGES = ("at risk", "plan in place", "saving", "recovered", "lost")
OPEN = (AT_RISK, PLAN, SAVING)
ENDS = (RECOVERED, LOST)
LEAVES, STAYS = CALLS = ("leaves", "stays")
MORE_LIKELY_THAN_NOT = 0.5
CHANGED_BY_HAND = ("stage", "owner", "due", "reason", "outcome", "snoozed_until")
UNKNOWN_MINUTES = 1.0


@dataclass(frozen=True)
class Item:
    """One customer on the desk.

    churn_probability, incremental_margin [currency], minutes: as planned. stage: one of STAGES. due, snoozed_until:
    days. human_call: "leaves" or "stays" where a person overrode the model, with the treatment and the note. stopped:
    why there must be no conversation after all, as it is known when the item is read; "" = nothing is in the way.
    """

    id: int
    dataset: str
    customer_id: str
    campaign_id: str | None
    treatment: str
    segment: str
    churn_probability: float
    incremental_margin: float
    minutes: float
    stage: str
    owner: str | None
    due: date | None
    reason: str
    outcome: str
    snoozed_until: date | None
    human_call: str | None
    human_treatment: str | None
    human_note: str
    human_by: str | None
    human_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    stopped: str = ""

    @property
    def margin_per_minute(self) -> float:
        """Expected incremental margin per minute of the agent's time [currency a minute]."""
        return self.incremental_margin / max(self.minutes, UNKNOWN_MINUTES)

    @property
    def model_call(self) -> str:
        """What the model says: "leaves" where that is more likely than not."""
        return LEAVES if self.churn_probability >= MORE_LIKELY_THAN_NOT else STAYS

    def is_up(self, day: date) -> bool:
        """Whether it is open, and neither snoozed on that day nor stopped."""
        return self.stage in OPEN and not self.stopped and (self.snoozed_until is None or self.snoozed_until <= day)


@dataclass(frozen=True)
class Worklist:
    """A day's work: `today` within the minutes, `later` what does not fit, both ranked. minutes: what today takes;
    margin: what it is expected to bring [currency]."""

    today: tuple[Item, ...]
    later: tuple[Item, ...]
    minutes: float
    margin: float


def fill(connection: Connection, dataset: str, rows: pd.DataFrame, now: datetime, stage: str = PLAN) -> int:
    """Put customers on the desk within the caller's transaction; returns how many. Who is there already stays once.

    `rows`: customer_id, treatment, segment, churn_probability, incremental_margin, minutes, perhaps campaign_id.
    """
    names = ["customer_id", "treatment", "segment", "churn_probability", "incremental_margin", "minutes"]
    mine = DESK_ITEMS.c.dataset == dataset
    there = set(connection.scalars(sa.select(DESK_ITEMS.c.customer_id).where(mine & DESK_ITEMS.c.stage.in_(OPEN))))
    blank = {"dataset": dataset, "stage": stage, "reason": "", "outcome": "", "human_note": "", "created_at": now}
    new = [{**row, **blank, "campaign_id": row.get("campaign_id")}
           for row in rows[[*names, *({"campaign_id"} & set(rows))]].to_dict("records")
           if row["customer_id"] not in there]
    if new:
        connection.execute(sa.insert(DESK_ITEMS), new)
    return len(new)


def put(dataset: str, rows: pd.DataFrame, *, actor: Actor, now: datetime) -> int:
    """Put customers on the desk who are in no campaign, at the stage "at risk"; returns how many are new."""
    allow(actor, "desk")
    with state.writer() as connection:
        state.alone(connection)
        number = fill(connection, dataset, rows, now, AT_RISK)
        state.record(actor, "desk", dataset, now, {"added": number}, within=connection)
    return number


def worklist(dataset: str, minutes: float, day: date, *, owner: str | None = None,
             stopped: Mapping[str, str] = MappingProxyType({}), actor: Actor) -> Worklist:
    """The day's list: open items that are neither snoozed nor stopped, the most margin per minute first, as far as the
    minutes reach.

    owner: only that person's items and those that nobody has. stopped: customer_id -> why not (`insight.stopped`).
    """
    found = [item for item in items(dataset, stopped, actor=actor) if item.is_up(day)]
    return cut([item for item in found if owner is None or item.owner in (None, owner)], minutes)


def cut(found: Iterable[Item], minutes: float) -> Worklist:
    """The most margin per minute first, as far as the minutes reach; nobody at a loss."""
    ranked = sorted(found, key=lambda item: (-item.margin_per_minute, item.customer_id))
    today: list[Item] = []
    later: list[Item] = []
    used = 0.0
    for item in ranked:
        fits = item.incremental_margin > 0 and used + item.minutes <= minutes
        (today if fits else later).append(item)
        used += item.minutes if fits else 0.0
    return Worklist(tuple(today), tuple(later), used, sum(item.incremental_margin for item in today))


def items(dataset: str, stopped: Mapping[str, str] = MappingProxyType({}), *, actor: Actor) -> list[Item]:
    """Everything on the dataset's desk, ended too, in order of arrival; open items with why they are stopped."""
    allow(actor, "desk")
    query = sa.select(DESK_ITEMS).where(DESK_ITEMS.c.dataset == dataset).order_by(DESK_ITEMS.c.id)
    with state.reader() as connection:
        found = [Item(**row._mapping) for row in connection.execute(query)]
    return [replace(one, stopped=stopped.get(one.customer_id, "")) if one.stage in OPEN else one for one in found]


def change(item_id: int, changes: Mapping[str, Any], *, actor: Actor, now: datetime) -> Item:
    """Change an item's stage, owner, due date, reason, outcome or snooze; returns it. Every change is kept.

    Raises:
        EngineError: when there is no such item, field or stage, or it ends without a reason.
    """
    allow(actor, "desk")
    for name in changes:
        choose("field of the desk", name, dict.fromkeys(CHANGED_BY_HAND))
    if "stage" in changes:
        choose("stage", changes["stage"], dict.fromkeys(STAGES))
    with state.writer() as connection:
        there = _item(connection, item_id)
        after = replace(there, **changes)
        if after.stage in ENDS and not after.reason.strip():
            raise EngineError(f"Say why the customer is {after.stage}: give a reason.")
        ended = {"ended_at": now if after.stage in ENDS else None} if "stage" in changes else {}
        return _store(connection, there, {**changes, **ended}, actor, now)


def override(item_id: int, call: str, note: str, treatment: str | None = None, *, actor: Actor, now: datetime) -> Item:
    """Write down that a person knows better than the model whether the customer leaves; scored once it is known.

    Raises:
        EngineError: without a note, once the outcome is known, or when the call is neither "leaves" nor "stays".
    """
    allow(actor, "desk")
    choose("call", call, dict.fromkeys(CALLS))
    if not note.strip():
        raise EngineError("Say in a note what you know that the model does not.")
    with state.writer() as connection:
        there = _item(connection, item_id)
        if there.stage in ENDS:
            raise EngineError(f"It is known already how this ended ({there.stage}): an override would be hindsight.")
        said = {"human_call": call, "human_note": note.strip(), "human_treatment": treatment, "human_by": actor.id,
                "human_at": now}
        return _store(connection, there, said, actor, now)


def history(item_id: int, *, actor: Actor) -> list[Mapping[str, Any]]:
    """Every change of the item, the oldest first: at, actor, changes."""
    allow(actor, "desk")
    query = sa.select(DESK_HISTORY).where(DESK_HISTORY.c.item_id == item_id).order_by(DESK_HISTORY.c.id)
    with state.reader() as connection:
        return [{"at": row.at, "actor": row.actor, "changes": row.changes} for row in connection.execute(query)]


def first_ends(dataset: str, *, actor: Actor) -> dict[int, datetime]:
    """When each item was first said to have ended, by its number; opened again, it has ended once all the same."""
    allow(actor, "desk")
    query = (sa.select(DESK_HISTORY.c.item_id, DESK_HISTORY.c.at, DESK_HISTORY.c.changes)
             .join(DESK_ITEMS, DESK_ITEMS.c.id == DESK_HISTORY.c.item_id)
             .where(DESK_ITEMS.c.dataset == dataset).order_by(DESK_HISTORY.c.id.desc()))
    with state.reader() as connection:
        return {row.item_id: row.at for row in connection.execute(query) if row.changes.get("stage") in ENDS}


def _item(connection: Connection, item_id: int) -> Item:
    """The item, locked until the transaction ends where the database locks rows."""
    query = sa.select(DESK_ITEMS).where(DESK_ITEMS.c.id == item_id)
    row = connection.execute(query if connection.dialect.name == "sqlite" else query.with_for_update()).first()
    if row is None:
        raise EngineError(f"There is nothing on the desk with the number {item_id}.")
    return Item(**row._mapping)


def _store(connection: Connection, there: Item, changes: Mapping[str, Any], actor: Actor, now: datetime) -> Item:
    connection.execute(sa.update(DESK_ITEMS).where(DESK_ITEMS.c.id == there.id).values(changes))
    plain = {name: value.isoformat() if isinstance(value, date) else value for name, value in changes.items()}
    told = {"item_id": there.id, "at": now, "actor": actor.id, "changes": jsonable(plain)}
    connection.execute(sa.insert(DESK_HISTORY).values(told))
    about = {"item": there.id, "changed": sorted(changes), "customer_id": there.customer_id}
    state.record(actor, "desk", there.dataset, now, about, within=connection)
    return replace(there, **changes)
