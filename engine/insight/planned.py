"""The playbook as SQL: everyone's recommended step at once, equal to `Playbook.steps` of each.

`planned` is one more table for `ask`: `people` with their step, its channel and cost, their consent to that channel,
and the list on which the step puts them:

    contact      there is something to do
    win_back     the customer has left, or is about to be gone for good
    leave_alone  the playbook says so for the segment, nothing fits, or the customer is held back
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from engine.decision.consents import CONSENTS, unsaid
from engine.decision.playbooks import LEAVE_ALONE, WIN_BACK, Playbook, Range, Treatment
from engine.decision.treatments import Allowed
from engine.insight.source import OWN, Scope, columns, quoted
from engine.schema import CUSTOMER_ID, SCORES, Column, Table, select

CONTACT_LIST = "contact"
STANDINGS = {CONTACT_LIST: "To contact", WIN_BACK: "Win back", LEAVE_ALONE: "Leave alone"}

WORKLIST = Table("WORKLIST", ("customer_id",), (
    CUSTOMER_ID,
    *select(SCORES, ("segment", "churn_risk", "churn_probability", "churn_low", "churn_high", "ltv_tier",
                     "expected_ltv", "ltv_if_stays")),
    Column("margin_at_risk", "number", "currency",
           "churn_probability x ltv_if_stays; empty for a customer who has left already"),
    *select(SCORES, ("best_contact_month", "next_order_at")),
    Column("standing", "category", "", "The list the customer is on: contact, win_back or leave_alone", label="List"),
    Column("next_step", "category", "", "The first step of the playbook that fits the customer"),
    Column("step_words", "text", "", "The step in words", label="What to do"),
    Column("channel", "category", "", "How the step reaches the customer"),
    Column("contact_cost", "number", "currency", "What the step costs per customer contacted, without its offer", 0),
    Column("agreed", "flag", "", "The customer has agreed to be reached through that channel; empty = the data say it "
           "of no channel", 0, 1, label="May be contacted"),
    *select(SCORES, ("hold_back", "has_left")),
), "whom to act on, and how")
ASKED = tuple(name for name in WORKLIST.names if name in SCORES.by_name and name not in ("margin_at_risk", "hold_back"))


def standing_of(step: str) -> str:
    """The list on which the step puts a customer.

    >>> standing_of("loyalty_discount"), standing_of("leave_alone")
    ('contact', 'leave_alone')
    """
    return step if step in (WIN_BACK, LEAVE_ALONE) else CONTACT_LIST


def looked_at(scope: Scope) -> tuple[str, ...]:
    """The columns of the customers that steps hang on, who agreed among them, of those that the data hold."""
    wanted = dict.fromkeys([*scope.book.looked_at, *CONSENTS.values()])
    return tuple(name for name in wanted if name in scope.dataset.names)


def of_features(scope: Scope) -> tuple[str, ...]:
    """The columns that steps hang on and the customers have not: computed features of the run, known likewise."""
    made = set(columns(scope)) - OWN
    return tuple(name for name in scope.book.looked_at if name not in scope.dataset.names and name in made)


def planned(scope: Scope, held: Collection[str], source: str = "people") -> str:
    """SQL that adds the table `planned`, the WORKLIST columns of `people`, to those that a question may name.

    held: what the question is asked with as the columns `known`: all that are `looked_at`. source: `some_of` instead of
    everybody.
    """
    book, others = scope.book, of_features(scope)
    beside = "".join(f", {quoted(name)} AS {quoted('known_' + name)}" for name in others)
    consents = ", ".join(quoted("known_" + name) for name in CONSENTS.values() if name in held) or "NULL"
    return f""", planned AS (SELECT *,
             CASE WHEN next_step IN ({literal(WIN_BACK)}, {literal(LEAVE_ALONE)}) THEN next_step
                  ELSE {literal(CONTACT_LIST)} END AS standing,
             {by_step(book, lambda step: step.words)} AS step_words,
             CASE channel {_agreed(held)} ELSE 1 END AS agreed
         FROM (SELECT *, {by_step(book, lambda step: step.channel)} AS channel,
                      {by_step(book, lambda step: float(step.contact_cost))} AS contact_cost
               FROM (SELECT {", ".join(ASKED)}, {consents}, coalesce(hold_back, '') AS hold_back,
                            CASE WHEN has_left = 1 THEN NULL ELSE margin_at_risk END AS margin_at_risk,
                            {step_sql(book, (*held, *others))} AS next_step
                     FROM (SELECT *{beside} FROM {source}))))"""


def some_of(scope: Scope, held: Collection[str]) -> str:
    """A source for `planned`: those alone whose ids fill its question marks, two or, with features, three."""
    known = ", ".join(["customer_id", *(f"{quoted(name)} AS {quoted('known_' + name)}" for name in held)])
    these = "WHERE customer_id IN (SELECT unnest(?))"
    made = ", ".join(["customer_id", *map(quoted, of_features(scope))])
    more = f" LEFT JOIN (SELECT {made} FROM features {these}) USING (customer_id)" if of_features(scope) else ""
    return f"(SELECT * FROM scores {these}) LEFT JOIN (SELECT {known} FROM customers {these}) USING (customer_id){more}"


def step_sql(book: Playbook, held: Collection[str]) -> str:
    """The first of `Playbook.steps` as SQL over scores and the customers' own values, known_<name> for each of `held`.

    A column that the data do not hold rules nothing out, unless a treatment needs it; what goes by a channel of which
    they do not say who agreed, though they do of others, comes last.
    """
    steps = [(segment, book.treatments[name]) for segment, names in book.segments.items() for name in names]
    steps.sort(key=lambda step: unsaid(step[1].channel, held))
    fits = "\n".join(f"WHEN segment = {literal(segment)} AND {_fits(step, held)} THEN {literal(step.name)}"
                     for segment, step in steps)
    return f"""CASE WHEN has_left = 1 THEN {literal(WIN_BACK)}
                    WHEN coalesce(hold_back, '') <> '' THEN {literal(LEAVE_ALONE)}
                    {fits} ELSE {literal(LEAVE_ALONE)} END"""


def literal(value: str | float) -> str:
    """The value as SQL.

    >>> literal("At-Risk VIP"), literal("it's"), literal(4.0)
    ("'At-Risk VIP'", "'it''s'", 'CAST(4.0 AS DOUBLE)')
    """
    return f"CAST({value!r} AS DOUBLE)" if isinstance(value, float) else "'" + value.replace("'", "''") + "'"


def _fits(treatment: Treatment, held: Collection[str]) -> str:
    if treatment.lacks(held):
        return "false"
    parts = [among(quoted("known_" + column), allowed) for column, allowed in treatment.only_if.items()
             if column in held]
    return " AND ".join(parts) or "true"


def among(column: str, allowed: Allowed) -> str:
    """SQL that says whether the column's value is one of these, or lies in this range, as Python compares: text with
    text, numbers with numbers."""
    if isinstance(allowed, Range):
        number = f"TRY_CAST({column} AS DOUBLE)"
        inside = f"{number} BETWEEN {_end(allowed.least)} AND {_end(allowed.most)} AND NOT isnan({number})"
        return f"coalesce(typeof({column}) <> 'VARCHAR' AND {inside}, false)"
    texts = ", ".join(literal(value) for value in allowed if isinstance(value, str))
    numbers = ", ".join(literal(float(value)) for value in allowed if isinstance(value, (bool, int, float)))
    as_text = f"typeof({column}) = 'VARCHAR' AND CAST({column} AS VARCHAR) IN ({texts})"
    as_number = f"typeof({column}) <> 'VARCHAR' AND TRY_CAST({column} AS DOUBLE) IN ({numbers})"
    parts = [sql for sql, values in ((as_text, texts), (as_number, numbers)) if values]
    return f"coalesce({' OR '.join(parts) or 'false'}, false)"


def _end(value: float) -> str:
    """A range's end as SQL; it may be infinite."""
    return f"CAST('{value!r}' AS DOUBLE)"


def by_step(book: Playbook, says: Callable[[Treatment], str | float]) -> str:
    """What is said of each step, as SQL of `next_step`."""
    cases = " ".join(f"WHEN {literal(name)} THEN {literal(says(step))}" for name, step in book.treatments.items())
    return f"CASE next_step {cases} END"


def agrees_sql(channel: str, held: Collection[str]) -> str:
    """SQL that is true for whoever agreed to the channel; what is not known is no agreement, what the data say of no
    channel is not asked."""
    if unsaid(channel, held):
        return "false"
    own = CONSENTS.get(channel)
    return f"coalesce(CAST({quoted('known_' + own)} AS INTEGER), 0) = 1" if own in held and own else "true"


def _agreed(held: Collection[str]) -> str:
    """Per channel whether the customer agreed: what is not known is no agreement, what the data hold of no channel is
    NULL."""
    def said(channel: str, name: str) -> str:
        if name in held:
            return f"coalesce(CAST({quoted('known_' + name)} AS INTEGER), 0)"
        return "0" if unsaid(channel, held) else "NULL"

    return " ".join(f"WHEN {literal(channel)} THEN {said(channel, name)}" for channel, name in CONSENTS.items())
