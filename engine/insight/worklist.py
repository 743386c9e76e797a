"""Worklists: whom to contact, in which order, with which step and why; whom to win back; whom to leave alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from engine import state
from engine.decision.playbooks import LEAVE_ALONE, Treatment
from engine.errors import choose
from engine.insight.planned import CONTACT_LIST, WORKLIST, literal, looked_at, planned, some_of, standing_of
from engine.insight.signs import signs_of
from engine.insight.source import EVERYONE_HERE, Filters, Scope, ask, quoted
from engine.permissions import allow
from engine.schema import CONTACT, CUSTOMER_ID, SEGMENTS, Actor, Column

CALL = "phone"
NOTHING_RAISES = "Nothing raises it beyond the usual. "
FIRST = 2_000  # of everybody, in the list's order: where the first pages of a list are looked for

ORDERS: Mapping[str, str] = {
    "margin_at_risk": "margin_at_risk DESC NULLS LAST, ltv_if_stays DESC",
    "churn_probability": "churn_probability DESC",
    "expected_ltv": "expected_ltv DESC",
    "best_contact_month": "best_contact_month NULLS LAST, margin_at_risk DESC NULLS LAST",
    "next_order_at": "next_order_at NULLS LAST, margin_at_risk DESC NULLS LAST",
}


@dataclass(frozen=True)
class Listing:
    """Which list, of whom, in which order.

    standing: "contact", "win_back", "leave_alone", or "" for everyone. segments, steps, channels: only these; () = all.
    agreed: only customers who may be reached through their step's channel, as far as the data say.
    order: one of ORDERS.
    """

    filters: Filters = EVERYONE_HERE
    standing: str = CONTACT_LIST
    segments: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    agreed: bool = False
    order: str = "margin_at_risk"

    @property
    def asked(self) -> dict[str, tuple[str, ...]]:
        """Column of `planned` -> the values let through; () = all."""
        return {"standing": (self.standing,) if self.standing else (), "segment": self.segments,
                "next_step": self.steps, "channel": self.channels}

    @property
    def among(self) -> Filters:
        """Whom the list can hold: those who have left too, unless it is of those to contact."""
        return replace(self.filters, left=self.standing != CONTACT_LIST)

    def where(self) -> tuple[str, list[Any]]:
        """The condition on the planned customers, and its parameters.

        >>> Listing(standing="", channels=("phone", "sms")).where()
        ('channel IN (?, ?)', ['phone', 'sms'])
        """
        parts = [f"{name} IN ({', '.join('?' * len(values))})" for name, values in self.asked.items() if values]
        parts += ["coalesce(agreed, 1) = 1"] if self.agreed else []
        open_, whom = self.filters.reached()
        parts += [open_] if whom else []
        return " AND ".join(parts) or "true", [*(value for values in self.asked.values() for value in values), *whom]


@dataclass(frozen=True)
class Sum:
    """A group of customers: its name and words, how many, their margin at risk and what contacting them costs
    [currency]. refused: those who have not agreed to the channel of their step. unsaid: those of whom the data do not
    say whether they have."""

    name: str
    customers: int
    margin_at_risk: float
    contact_cost: float
    refused: int = 0
    unsaid: int = 0
    words: str = ""


@dataclass(frozen=True)
class Tally:
    """Everyone whom the filters let through, counted by segment, list, step, channel, consent and reason to wait."""

    cells: pd.DataFrame
    treatments: Mapping[str, Treatment]

    def total(self, listing: Listing) -> Sum:
        """The whole list."""
        return _sum("", self._of(listing))

    def segments(self, listing: Listing) -> list[Sum]:
        """The list by segment, whichever segments it is narrowed to; in the segments' order, those with anyone."""
        found = self._of(replace(listing, segments=()))
        return _sums(found, "segment", SEGMENTS)

    def steps(self, listing: Listing) -> list[Sum]:
        """The list by recommended step, whichever steps it is narrowed to; the most margin at risk first."""
        found = _sums(self._of(replace(listing, steps=(), channels=())), "next_step", self.treatments)
        told = [replace(one, words=self.treatments[one.name].words) for one in found]
        return sorted(told, key=lambda one: -one.margin_at_risk)

    def channels(self, listing: Listing) -> dict[str, int]:
        """How many of the list have a step by which channel."""
        numbers = self._of(listing).groupby("channel", sort=True)["number"].sum()
        return {str(name): int(number) for name, number in numbers.items()}

    def held_back(self, listing: Listing) -> Sum:
        """Those of the list's segments whom a rule holds back."""
        return _sum("", self._held(listing))

    def by_rule(self, listing: Listing) -> list[Sum]:
        """The same by the rule's words; the most margin at risk first."""
        found = self._held(listing)
        return sorted(_sums(found, "hold_back", dict.fromkeys(found["hold_back"])), key=lambda one: -one.margin_at_risk)

    def _held(self, listing: Listing) -> pd.DataFrame:
        found = self._of(replace(listing, standing=LEAVE_ALONE, steps=(), channels=(), agreed=False))
        return found[found["hold_back"] != ""]

    def orders(self) -> list[str]:
        """The orders that the data can give."""
        known = {"best_contact_month": "with_month", "next_order_at": "with_order"}
        return [name for name in ORDERS if name not in known or self.cells[known[name]].sum() > 0]

    def _of(self, listing: Listing) -> pd.DataFrame:
        found = self.cells
        for name, values in listing.asked.items():
            found = found[found[name].isin(values)] if values else found
        return found[found["agreed"].fillna(1) == 1] if listing.agreed else found


def tally(scope: Scope, filters: Filters, actor: Actor) -> Tally:
    """How many there are of whom, with which step, margin and cost: what the list's heads and choices say."""
    allow(actor, "customers")
    held, (open_, whom) = looked_at(scope), filters.reached()
    cells = ask(scope, f"""{planned(scope, held)}
        SELECT segment, next_step, agreed, hold_back, count(*) AS number, sum(margin_at_risk) AS margin_at_risk,
               count(best_contact_month) AS with_month, count(next_order_at) AS with_order
        FROM planned WHERE {open_} GROUP BY ALL ORDER BY ALL""", whom, filters=replace(filters, left=True), known=held)
    treatments, steps = scope.book.treatments, cells["next_step"]
    return Tally(cells.assign(
        standing=steps.map(standing_of), channel=steps.map(lambda name: treatments[name].channel),
        contact_cost=cells["number"] * steps.map(lambda name: float(treatments[name].contact_cost)),
    ).fillna({"margin_at_risk": 0.0}), treatments)


def rows(scope: Scope, listing: Listing, actor: Actor, *, start: int = 0, most: int = 50) -> pd.DataFrame:
    """A page of the list: the WORKLIST columns, `reason`, the driver to speak of, and `lately`, what just happened.

    Raises:
        EngineError: when the order is none of ORDERS, or a filter names a column that the data have not.
    """
    allow(actor, "customers")
    ids, held = _ids(scope, listing, start, most), looked_at(scope)
    source = some_of(scope, held)
    sql = f"{planned(scope, held, source)} SELECT {', '.join(WORKLIST.names)} FROM planned"
    page = ask(scope, sql, [ids] * source.count("?")).set_index("customer_id").loc[ids].reset_index()
    return page.assign(reason=page["customer_id"].map(_reasons(scope, ids)), lately=signs_of(scope, ids))


def _ids(scope: Scope, listing: Listing, start: int, most: int) -> list[str]:
    """Who is on the page, in order: searched among the first of everybody, and only where those do not fill it among
    all. Not so where whoever has left is among them: on a list they have no margin at risk, in the scores they do."""
    if start + most <= FIRST and not listing.among.left:
        first = f"(SELECT * FROM people ORDER BY {ordered(listing)} LIMIT {FIRST})"
        if len(found := _searched(scope, listing, first, start, most)) == most:
            return found
    return _searched(scope, listing, "people", start, most)


def _searched(scope: Scope, listing: Listing, source: str, start: int, most: int) -> list[str]:
    """Who of the source is on the page, found without reading any more than that takes."""
    condition, given = listing.where()
    held = looked_at(scope)
    sql = f"""{planned(scope, held, source)} SELECT customer_id FROM planned WHERE {condition}
              ORDER BY {ordered(listing)} LIMIT ? OFFSET ?"""
    found: list[str] = ask(scope, sql, [*given, most, start], listing.among, known=held)["customer_id"].tolist()
    return found


def to_call(listing: Listing) -> Listing:
    """The part of the list to be called: those whose step is a call, and who may be called."""
    return replace(listing, standing=CONTACT_LIST, channels=(CALL,), agreed=True)


def contacts(scope: Scope, ids: Sequence[str], *, actor: Actor, now: datetime) -> pd.DataFrame:
    """Names, addresses, numbers and consents of these customers, by customer_id, as far as the data hold them.

    That they were shown is recorded.
    """
    allow(actor, "contact")
    wanted = contact_columns(scope)
    names = ", ".join(quoted(column.name) for column in (CUSTOMER_ID, *wanted))
    found = ask(scope, f"SELECT {names} FROM customers WHERE customer_id IN (SELECT unnest(?))", [list(ids)])
    if wanted and len(found):
        detail = {"run_id": scope.run.run_id, "customer_ids": found["customer_id"].tolist(),
                  "columns": [column.name for column in wanted]}
        state.record(actor, "contact", scope.dataset.name, now, detail)
    return found.set_index("customer_id").reindex(list(ids))


def contact_columns(scope: Scope) -> tuple[Column, ...]:
    """The contact fields that the dataset holds."""
    return tuple(column for column in CONTACT if column.name in scope.dataset.names)


def ordered(listing: Listing) -> str:
    """The list's order as SQL; the same for the same list, whoever asks."""
    return f"{choose('order', listing.order, ORDERS)}, customer_id"


def _reasons(scope: Scope, ids: Sequence[str]) -> Mapping[str, str]:
    """Per customer the strongest driver that raises the risk; where none does, that, and the strongest."""
    told = f"CASE WHEN contribution > 0 THEN words ELSE {literal(NOTHING_RAISES)} || words END"
    sql = f"""SELECT customer_id, first({told} ORDER BY contribution <= 0, rank) AS words
              FROM reasons WHERE customer_id IN (SELECT unnest(?)) GROUP BY customer_id"""
    found = ask(scope, sql, [list(ids)])
    return dict(zip(found["customer_id"], found["words"], strict=True))


def _sums(cells: pd.DataFrame, by: str, names: Iterable[str]) -> list[Sum]:
    parts = {str(name): part for name, part in cells.groupby(by, sort=False)}
    return [_sum(name, parts[name]) for name in names if name in parts]


def _sum(name: str, cells: pd.DataFrame) -> Sum:
    refused = cells.loc[cells["agreed"].fillna(1) == 0, "number"].sum()
    unsaid = cells.loc[cells["agreed"].isna(), "number"].sum()
    return Sum(name, int(cells["number"].sum()), float(cells["margin_at_risk"].sum()),
               float(cells["contact_cost"].sum()), int(refused), int(unsaid))
