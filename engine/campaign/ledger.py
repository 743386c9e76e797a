"""The ledger: campaigns from draft to close, written down so that no row is lost, doubled or paid for twice.

    draft -> (awaiting approval ->) approved -> launched -> closed

A launch is one transaction: the status, the budget, the assignments, the contacts and the line in the audit log are all
there or none of them is. Its key makes it idempotent: the same launch again changes nothing and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import files, state
from engine.campaign import budgets, desk
from engine.campaign.tables import (
    APPROVED,
    ASSIGNMENTS,
    AWAITING,
    CAMPAIGNS,
    CLOSED,
    CONTACTS,
    DRAFT,
    EXCLUSIONS,
    LAUNCHED,
    PLANNED,
    SUPPRESSIONS,
)
from engine.errors import EngineError, Refused
from engine.permissions import allow, may
from engine.schema import Actor, Estimate, jsonable, to_the_cent

PARTS = 5_000
LONGEST_NAME = 120
TREATED = "treated"  # of the figures: what the plan promised of those who are not held out
AT_LAUNCH = ("run_id", "model_id", "policy_id")
Recheck = Callable[[Connection, pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Step:
    """Who took a step of a campaign, and when (naive UTC)."""

    by: str
    at: datetime


@dataclass(frozen=True)
class Campaign:
    """One campaign: what it was planned from, who is in it, what it may cost, and how far it has come.

    run_id, version, model_id, policy_id: the scoring run, the data, the model and the rule that it rests on.
    audience, constraints, figures: what was asked and what the plan promised. spend: expected cost of those treated
    [currency]. erased: customers who have been erased from it since.
    """

    id: str
    dataset: str
    name: str
    run_id: str
    version: str
    model_id: str
    policy_id: str
    currency: str
    synthetic: bool
    horizon_days: int
    seed: int
    holdout_share: float
    audience: Mapping[str, Any]
    constraints: Mapping[str, Any]
    figures: Mapping[str, Any]
    budget: str | None = None
    spend_cents: int = 0
    status: str = DRAFT
    content_sha256: str = ""
    erased: int = 0
    launch_key: str | None = None
    note: str = ""
    steps: Mapping[str, Step] | None = None

    @property
    def spend(self) -> float:
        """Expected cost of those treated [currency]."""
        return self.spend_cents / budgets.CENTS

    @property
    def ends(self) -> datetime | None:
        """When the label's window after the launch is over: from then on outcomes are known; None before the launch."""
        launched = self.step(LAUNCHED)
        return launched.at + timedelta(days=self.horizon_days) if launched else None

    @property
    def promised(self) -> Estimate | None:
        """The margin that the plan promised of those treated as they were drafted, with its interval [currency]; None
        where that was not written down."""
        told = self.figures.get(TREATED)
        return Estimate(**told["margin"]) if told else None

    def step(self, name: str) -> Step | None:
        """Who took the step "created", "submitted", "approved", "launched" or "closed", and when; None if nobody."""
        return (self.steps or {}).get(name)


@dataclass(frozen=True)
class Launch:
    """What a launch booked: customers treated, held out, and left out. replayed: it had been launched before by the
    same key, and nothing changed."""

    campaign: Campaign
    treated: int
    held_out: int
    left_out: int
    replayed: bool = False


def campaign_id(dataset: str, name: str) -> str:
    """The campaign's id: the same for the same dataset and name, so that a repeated draft is the same campaign."""
    return files.short_hash("campaign", dataset, name)


# ------------------------------------------------------------------------------------------------------ before launch

def draft(asked: Campaign, planned: pd.DataFrame, excluded: pd.DataFrame, *, actor: Actor, now: datetime) -> Campaign:
    """Write a campaign down; returns it. The same draft again changes nothing; another one replaces it while a draft.

    Args:
        planned: customer_id, the columns of DECISIONS, holdout, message, message_source; one row per customer.
        excluded: customer_id, treatment, reason.

    Raises:
        EngineError: when the name is taken by a campaign that is more than a draft, or is none.
    """
    allow(actor, "draft")
    if not 0 < len(asked.name.strip()) <= LONGEST_NAME:
        raise EngineError(f"Give the campaign a name of 1 to {LONGEST_NAME} characters.")
    spend = budgets.cents(float(planned.loc[~planned["holdout"], "expected_cost"].sum()))
    new = replace(asked, spend_cents=spend, content_sha256=_fingerprint(asked, planned, excluded))
    with state.writer() as connection:
        state.alone(connection)
        if new.budget is not None:
            budgets.budget(connection, new.dataset, new.budget)
        there = _find(connection, new.id)
        if there is not None and there.content_sha256 == new.content_sha256 and there.status != CLOSED:
            return there
        if there is not None:
            _clear(connection, there)
        _write(connection, new, planned, excluded, actor, now)
        state.record(actor, "draft", new.dataset, now, _facts(new, planned, excluded), within=connection)
        return found(connection, new.id)


def _fingerprint(asked: Campaign, *frames: pd.DataFrame) -> str:
    """What the draft is, without who wrote it when."""
    said = jsonable(replace(asked, steps=None, status=DRAFT))
    return files.short_hash(str(said), *(frame.to_csv(index=False) for frame in frames))


def _clear(connection: Connection, there: Campaign) -> None:
    """Make room for another draft of that name."""
    if there.status != DRAFT:
        raise EngineError(f'There is a campaign "{there.name}" already ({there.status}). Choose another name.')
    for table in (PLANNED, EXCLUSIONS):
        connection.execute(sa.delete(table).where(table.c.campaign_id == there.id))
    connection.execute(sa.delete(CAMPAIGNS).where(CAMPAIGNS.c.id == there.id))


def _write(connection: Connection, new: Campaign, planned: pd.DataFrame, excluded: pd.DataFrame, actor: Actor,
           now: datetime) -> None:
    names = [column.name for column in CAMPAIGNS.c if hasattr(new, column.name)]
    row = {name: jsonable(getattr(new, name)) for name in names}
    connection.execute(sa.insert(CAMPAIGNS).values({**row, "created_by": actor.id, "created_at": now}))
    add(connection, PLANNED, planned.assign(campaign_id=new.id))
    add(connection, EXCLUSIONS, excluded.assign(campaign_id=new.id, at=now))


def _facts(new: Campaign, planned: pd.DataFrame, excluded: pd.DataFrame) -> dict[str, Any]:
    return {"campaign": new.id, "name": new.name, "rows": len(planned), "held_out": int(planned["holdout"].sum()),
            "left_out": len(excluded), "spend": new.spend, "run_id": new.run_id, "policy_id": new.policy_id}


def submit(campaign: str, *, actor: Actor, now: datetime) -> Campaign:
    """Ask for approval; returns the campaign, now "awaiting approval". Asked again, nothing changes."""
    allow(actor, "draft")
    return _move(campaign, (DRAFT,), AWAITING, "submitted", actor, now, "draft")


def approve(campaign: str, spend_limit: float, *, actor: Actor, now: datetime) -> Campaign:
    """Approve what the campaign will spend; returns it. Above the limit it takes a second person, and a manager.

    Raises:
        Refused: above the limit, when the actor wrote the campaign or asked for its approval, or is no manager.
        EngineError: when it is launched or closed already.
    """
    allow(actor, "approve")
    there = get(campaign)
    if there.status in (DRAFT, AWAITING) and (why := why_not_approve(there, spend_limit, actor)):
        raise Refused(why)
    return _move(campaign, (DRAFT, AWAITING), APPROVED, "approved", actor, now, "approve", there.content_sha256)


def why_not_approve(there: Campaign, spend_limit: float, actor: Actor) -> str:
    """Why the actor may not approve the campaign's spend alone; "" where they may."""
    if there.spend <= spend_limit:
        return ""
    spend, limit = (to_the_cent(amount, there.currency) for amount in (there.spend, spend_limit))
    said = f'"{there.name}" will spend {spend}, above the limit of {limit}'
    if not may(actor, "approve_spend"):
        return f"{said}: a manager must approve it. Ask for it: python -m engine campaign submit."
    if actor.id in {step.by for name in ("created", "submitted") if (step := there.step(name))}:
        return f"{said}: somebody other than {actor.id}, who wrote it, must approve it."
    return ""


def _move(campaign: str, before: Iterable[str], after: str, step: str, actor: Actor, now: datetime, verb: str,
          content: str | None = None) -> Campaign:
    """One step on, taken once: whoever takes it again, or second, changes nothing."""
    mine = (CAMPAIGNS.c.id == campaign) & CAMPAIGNS.c.status.in_(tuple(before))
    mine &= CAMPAIGNS.c.content_sha256 == content if content else sa.true()
    taken = sa.update(CAMPAIGNS).where(mine).values({"status": after, f"{step}_by": actor.id, f"{step}_at": now})
    with state.writer() as connection:
        if connection.execute(taken).rowcount == 1:
            there = found(connection, campaign)
            state.record(actor, verb, there.dataset, now, {"campaign": campaign, "spend": there.spend, "is": after},
                         within=connection)
            return there
        there = found(connection, campaign)
    if there.step(step) is None:
        changed = " and has just been written anew" if there.status in before else ""
        raise EngineError(f'"{there.name}" is {there.status}{changed}, so it cannot become {after}.')
    return there


# ------------------------------------------------------------------------------------------------------------- launch

def launch(campaign: str, recheck: Recheck, key: str = "", *, actor: Actor, now: datetime) -> Launch:
    """Book the approved campaign: assignments, contacts, desk items and budget in one transaction.

    Args:
        recheck: why each planned customer must not be contacted after all ("" = may be), asked within the transaction.
        key: names this launch; a second launch by the same key changes nothing. The campaign's id unless given.

    Raises:
        Infeasible: when the budget is not enough. EngineError: when it is not approved, or was launched by another key.
    """
    allow(actor, "launch")
    key = key or campaign
    mine = (CAMPAIGNS.c.id == campaign) & (CAMPAIGNS.c.status == APPROVED)
    taken = sa.update(CAMPAIGNS).where(mine).values(status=LAUNCHED, launched_by=actor.id, launched_at=now,
                                                    launch_key=key)
    with state.writer() as connection:
        state.alone(connection)
        if connection.execute(taken).rowcount == 0:
            return _replayed(connection, campaign, key)
        there = found(connection, campaign)
        planned = rows(connection, PLANNED, campaign)
        why = recheck(connection, planned)
        kept = planned[why == ""]
        _book(connection, there, kept, planned[why != ""].assign(reason=why[why != ""]), now)
        spend = budgets.cents(float(kept.loc[~kept["holdout"], "expected_cost"].sum()))
        if there.budget is not None:
            budgets.reserve(connection, there.dataset, there.budget, spend)
        connection.execute(sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == campaign).values(spend_cents=spend))
        done = _counted(connection, found(connection, campaign), replayed=False)
        state.record(actor, "launch", there.dataset, now, {
            "campaign": campaign, "name": there.name, "treated": done.treated, "held_out": done.held_out,
            "left_out": int((why != "").sum()), "spend": done.campaign.spend, "budget": there.budget,
        }, within=connection)
    return done


def _replayed(connection: Connection, campaign: str, key: str) -> Launch:
    there = found(connection, campaign)
    launched = there.step(LAUNCHED)
    if launched is None:
        raise EngineError(f'"{there.name}" is {there.status}; only an approved campaign can be launched.')
    if there.launch_key != key:
        raise EngineError(f'"{there.name}" was launched by {launched.by} on {launched.at:%Y-%m-%d %H:%M} already.')
    return _counted(connection, there, replayed=True)


def _book(connection: Connection, there: Campaign, kept: pd.DataFrame, dropped: pd.DataFrame, now: datetime) -> None:
    approved = there.step(APPROVED)
    assert approved is not None, "Only an approved campaign is launched."
    same = {name: getattr(there, name) for name in AT_LAUNCH}
    add(connection, ASSIGNMENTS, kept.assign(**same, decided_at=now, approved_by=approved.by))
    treated = kept[~kept["holdout"]].assign(dataset=there.dataset, at=now)
    add(connection, CONTACTS, treated)
    add(connection, EXCLUSIONS, dropped.assign(at=now))
    desk.fill(connection, there.dataset, treated[treated["minutes"].fillna(0) > 0], now)
    connection.execute(sa.delete(PLANNED).where(PLANNED.c.campaign_id == there.id))


def _counted(connection: Connection, there: Campaign, replayed: bool) -> Launch:
    by_arm = sa.select(ASSIGNMENTS.c.holdout, sa.func.count()).where(ASSIGNMENTS.c.campaign_id == there.id)
    counts = {bool(held): number for held, number in connection.execute(by_arm.group_by(ASSIGNMENTS.c.holdout))}
    left = connection.scalar(sa.select(sa.func.count()).where(EXCLUSIONS.c.campaign_id == there.id))
    return Launch(there, counts.get(False, 0), counts.get(True, 0), int(left or 0), replayed)


def close(campaign: str, note: str, *, actor: Actor, now: datetime) -> Campaign:
    """End the campaign; one that was not launched is withdrawn and its plan forgotten. Returns it."""
    allow(actor, "close")
    closed = _move(campaign, (DRAFT, AWAITING, APPROVED, LAUNCHED), CLOSED, "closed", actor, now, "close")
    with state.writer() as connection:
        connection.execute(sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == campaign).values(note=note.strip()))
        connection.execute(sa.delete(PLANNED).where(PLANNED.c.campaign_id == campaign))
    return replace(closed, note=note.strip())


# ------------------------------------------------------------------------------------------------------------ reading

def get(campaign: str) -> Campaign:
    """The campaign of that id; EngineError when there is none."""
    with state.reader() as connection:
        return found(connection, campaign)


def campaigns(dataset: str | None = None) -> list[Campaign]:
    """All campaigns, or those of a dataset; the newest first."""
    query = sa.select(CAMPAIGNS).order_by(CAMPAIGNS.c.created_at.desc(), CAMPAIGNS.c.id)
    with state.reader() as connection:
        rows_of = connection.execute(query if dataset is None else query.where(CAMPAIGNS.c.dataset == dataset))
        return [_campaign(row) for row in rows_of]


def named(dataset: str, name: str) -> Campaign:
    """The dataset's campaign of that name or id; EngineError that lists those there are."""
    known = campaigns(dataset)
    for one in known:
        if name in (one.name, one.id):
            return one
    there = ", ".join(f'"{one.name}"' for one in known) or "none yet"
    raise EngineError(f"{dataset} has no campaign {name!r} (there are: {there}).")


def contacts(connection: Connection, dataset: str, now: datetime, days: float) -> pd.DataFrame:
    """What reached whom in the last so many days: customer_id, treatment, at."""
    table = CONTACTS.c
    query = sa.select(table.customer_id, table.treatment, table.at).where(
        table.dataset == dataset, table.at > now - timedelta(days=days))
    return pd.DataFrame(connection.execute(query).all(), columns=["customer_id", "treatment", "at"])


def running(connection: Connection, dataset: str, now: datetime) -> dict[str, Campaign]:
    """By id, the dataset's campaigns whose window runs still."""
    query = sa.select(CAMPAIGNS).where(CAMPAIGNS.c.dataset == dataset, CAMPAIGNS.c.status == LAUNCHED)
    return {one.id: one for row in connection.execute(query) if (one := _campaign(row)).ends and one.ends > now}


def held_out(connection: Connection, dataset: str, now: datetime) -> pd.DataFrame:
    """Who is held out by a campaign whose window runs still: customer_id, campaign (its name), until."""
    under_way = running(connection, dataset, now)
    held = sa.select(ASSIGNMENTS.c.campaign_id, ASSIGNMENTS.c.customer_id).where(
        ASSIGNMENTS.c.campaign_id.in_(list(under_way)), ASSIGNMENTS.c.holdout)
    found = [(who, under_way[campaign].name, under_way[campaign].ends) for campaign, who in connection.execute(held)]
    return pd.DataFrame(found, columns=["customer_id", "campaign", "until"])


def held_out_now(dataset: str, now: datetime) -> tuple[str, ...]:
    """The ids of those whom the dataset's running campaigns hold out."""
    with state.reader() as connection:
        return tuple(held_out(connection, dataset, now)["customer_id"])


def contacts_version(dataset: str) -> tuple[Any, ...]:
    """What stands for what is known of past contact: whenever it changes, so may a plan."""
    with state.reader() as connection:
        counted = [tuple(connection.execute(sa.select(sa.func.count(), sa.func.max(table.c.at)).where(
            table.c.dataset == dataset)).one()) for table in (CONTACTS, SUPPRESSIONS)]
        running = connection.scalars(sa.select(CAMPAIGNS.c.id).where(
            CAMPAIGNS.c.dataset == dataset, CAMPAIGNS.c.status == LAUNCHED).order_by(CAMPAIGNS.c.id))
        return (*counted, *running)


def rows(connection: Connection, table: sa.Table, campaign: str) -> pd.DataFrame:
    """The campaign's rows of one of its tables, in order of customer_id."""
    query = sa.select(table).where(table.c.campaign_id == campaign).order_by(table.c.customer_id)
    return pd.DataFrame(connection.execute(query).all(), columns=[column.name for column in table.c])


def table_of(campaign: str, table: sa.Table) -> pd.DataFrame:
    """The same, read on its own."""
    with state.reader() as connection:
        return rows(connection, table, campaign)


def add(connection: Connection, table: sa.Table, frame: pd.DataFrame) -> None:
    """Insert the frame's rows, those columns that the table has; what is missing becomes NULL."""
    names = [column.name for column in table.c if column.name in frame]
    plain = frame[names].astype(object).where(frame[names].notna(), None)  # type: ignore[call-overload]
    for begin in range(0, len(plain), PARTS):
        connection.execute(sa.insert(table), plain.iloc[begin:begin + PARTS].to_dict("records"))


def _find(connection: Connection, campaign: str) -> Campaign | None:
    row = connection.execute(sa.select(CAMPAIGNS).where(CAMPAIGNS.c.id == campaign)).first()
    return None if row is None else _campaign(row)


def found(connection: Connection, campaign: str) -> Campaign:
    """The campaign as the caller's transaction sees it; EngineError when there is none."""
    there = _find(connection, campaign)
    if there is None:
        raise EngineError(f"There is no campaign {campaign!r}. List them with: python -m engine campaign list.")
    return there


def _campaign(row: sa.Row) -> Campaign:
    values = dict(row._mapping)
    steps = {name: Step(values[f"{name}_by"], values[f"{name}_at"])
             for name in ("created", "submitted", "approved", "launched", "closed") if values[f"{name}_at"] is not None}
    known = set(Campaign.__dataclass_fields__)
    return Campaign(**{name: value for name, value in values.items() if name in known}, steps=steps)
