"""What-if for a screen: the levers of one customer, what moving them would bring, and the least that is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.insight.meaning import meanings
from engine.insight.source import Scope
from engine.permissions import allow
from engine.prediction import whatif
from engine.prediction.model import Model, Scored
from engine.schema import Actor, money, share
from engine.schema.stored import rows_of

ASSOCIATION = ("What the model has learned from customers who differ in this. It is an association, not a promise: "
               "what a change really brings is measured by campaigns with a control group.")
FIGURES = ("churn_probability", "churn_low", "churn_high", "churn_risk", "expected_ltv", "ltv_if_stays",
           "margin_at_risk", "segment", "ltv_tier")


@dataclass(frozen=True)
class Lever:
    """A lever as a person reads it. options: value -> words, the value now first."""

    column: str
    title: str
    words: str
    now: Any
    options: Mapping[Any, str]


@dataclass(frozen=True)
class Step:
    """Levers moved: column -> value, the same in words, and the chance to leave that the model then sees."""

    changes: Mapping[str, Any]
    words: str
    probability: float


@dataclass(frozen=True)
class Levers:
    """All that can be tried for one customer. none: why there is nothing to move; "" where there is.

    alone: each option by itself, the lowest chance first. smallest: see whatif.Search; None where no combination of
    the `tried` ones gets below the threshold, or the customer is below it already.
    """

    none: str
    levers: tuple[Lever, ...]
    now: float
    threshold: float
    alone: tuple[Step, ...]
    smallest: Step | None
    tried: int

    @property
    def sentence(self) -> str:
        """The smallest change that is enough, or that there is none."""
        line = f"the threshold of {share(self.threshold)}"
        if self.none:
            return self.none
        if self.now < self.threshold:
            return f"The chance to leave is below {line} already: nothing has to change."
        if self.smallest is None:
            return f"None of the {self.tried:,} combinations of these levers brings the customer below {line}."
        return (f"The smallest change that brings the customer below {line}: {self.smallest.words}. "
                f"The chance is then {share(self.smallest.probability)}.")


@dataclass(frozen=True)
class Outcome:
    """The figures after a change (FIGURES, as in SCORES) and the reasons; what followed from it, and what to mind.

    follows: (title, before, after) in words, of each feature that changed.
    """

    figures: Mapping[str, Any]
    reasons: tuple[str, ...]
    follows: tuple[tuple[str, str, str], ...]
    mind: tuple[str, ...]


def levers_of(scope: Scope, model: Model, customer_id: str, *, actor: Actor) -> Levers:
    """What a team can change about this customer, each option alone, and the smallest change that is enough."""
    allow(actor, "predict")
    found = whatif.choices(model, scope.dataset, customer_id)
    if not found:
        known = scope.dataset.adapter in whatif.LEVERS
        why = "Every lever stands where a team would put it already." if known else whatif.NO_LEVERS
        return Levers(why, (), float("nan"), model.churn.threshold, (), None, 0)
    searched = whatif.search(model, scope.dataset, scope.run.as_of, customer_id)
    offered = tuple(_lever(choice, scope.dataset.currency) for choice in found)
    smallest = None if searched.below_already or searched.smallest is None else _step(offered, searched.smallest)
    return Levers("", offered, searched.now, searched.threshold, tuple(_step(offered, one) for one in searched.alone),
                  smallest, searched.tried)


def _lever(choice: whatif.Choice, currency: str) -> Lever:
    column = choice.column.in_currency(currency)
    options = {choice.now: column.in_words(choice.now)} | {
        value: _option(column.in_words(value), value, choice.now) for value in choice.options}
    return Lever(choice.column.name, column.title, choice.lever.words, choice.now, options)


def _option(words: str, value: Any, now: Any) -> str:
    """The value; of a number also by how much it is less."""
    return f"{words} (-{100 * (1 - value / now):.0f} %)" if isinstance(value, float) else words


def _step(offered: Sequence[Lever], change: whatif.Change) -> Step:
    named = {lever.column: lever for lever in offered}
    words = [f"{named[column].title}: {named[column].options[value]}" for column, value in change.changes.items()]
    return Step(change.changes, " + ".join(words), change.probability)


def what_if(scope: Scope, model: Model, customer_id: str, changes: Mapping[str, Any], *, actor: Actor) -> Outcome:
    """The customer's figures with the changes made, by the same functions as every score; only what is on offer."""
    allow(actor, "predict")
    scored = whatif.what_if(model, scope.dataset, scope.run.as_of, customer_id, changes)
    before = _before(scope, customer_id)
    return _outcome(scope, before, scored, tuple(_mind(scope, model, before, changes)))


def order_today(scope: Scope, model: Model, customer_id: str, *, actor: Actor) -> Outcome | None:
    """The figures had the customer placed the last order once more today; None where there are no orders."""
    allow(actor, "predict")
    scored = whatif.order_today(model, scope.dataset, scope.run.as_of, customer_id)
    return None if scored is None else _outcome(scope, _before(scope, customer_id), scored, ())


def _before(scope: Scope, customer_id: str) -> Mapping[str, Any]:
    """The customer's features in the run; empty where it did not score her."""
    rows = rows_of(scope.run.folder / "features.parquet", [customer_id])
    return {str(name): value for name, value in rows.iloc[0].items()} if len(rows) else {}


def _outcome(scope: Scope, before: Mapping[str, Any], scored: Scored, mind: tuple[str, ...]) -> Outcome:
    row = scored.scores.iloc[0]
    reasons, follows = scored.reasons.sort_values("rank")["words"], _follows(scope, before, scored)
    return Outcome({name: row[name] for name in FIGURES}, tuple(reasons), tuple(follows), mind)


def _follows(scope: Scope, before: Mapping[str, Any], scored: Scored) -> list[tuple[str, str, str]]:
    """Every feature that is another than in the run, before and after in words."""
    after, meaning = scored.features.iloc[0], meanings(scope)
    return [(meaning[name].title, meaning[name].in_words(before[name]), meaning[name].in_words(after[name]))
            for name in after.index if name in before and name in meaning and not _same(before[name], after[name])]


def _same(before: Any, after: Any) -> bool:
    if pd.isna(before) or pd.isna(after):
        return bool(pd.isna(before) and pd.isna(after))
    return bool(abs(before - after) < 1e-9) if isinstance(after, float) else str(before) == str(after)


def _mind(scope: Scope, model: Model, before: Mapping[str, Any], changes: Mapping[str, Any]) -> list[str]:
    """What the figures after a change do not know."""
    told = []
    bill = scope.dataset.money.column
    if bill in changes and bill in before:
        cut = float(before[bill]) - float(changes[bill])
        rate = model.ltv.settings.margin_rate
        told.append(f"Lifetime value counts {100 * rate:.0f} % of the bill as margin. A price cut comes out of the "
                    f"margin in full: {money(cut, scope.dataset.currency)} a month.")
    if set(changes) - {bill}:
        told.append("What is included or changed costs something that these figures do not know.")
    return told
