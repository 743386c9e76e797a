"""What the digest says, gathered from the questions that the screens ask too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine import saved
from engine.decision.recovery import Scenario, Simulation, rate_words, roi_words, simulate
from engine.decision.recovery import sentence as recovery_sentence
from engine.errors import choose
from engine.insight import answers, movement, overview
from engine.insight.card_words import in_own_words
from engine.insight.recovery import Start, first_scenario, recovery_cells, recovery_starts
from engine.insight.source import Scope, scope
from engine.permissions import may
from engine.prediction import store
from engine.schema import Actor, Finding, ModelCard, jsonable, money, plural

DRIVERS = 5


@dataclass(frozen=True)
class Moved:
    """What changed since the run before: its headline, and who moved."""

    then: movement.Totals
    changes: movement.Changes

    @property
    def rose(self) -> int:
        """Customers here at both moments who are in a higher risk band now."""
        return self._moved(1)

    @property
    def fell(self) -> int:
        """Customers here at both moments who are in a lower risk band now."""
        return self._moved(-1)

    def _moved(self, way: int) -> int:
        """Customers on one side of the diagonal: the bands then are rows, those now columns, LOW first."""
        bands = self.changes.bands.to_numpy()
        return int((np.triu(bands, 1) if way > 0 else np.tril(bands, -1)).sum())


@dataclass(frozen=True)
class Facts:
    """Everything on the page.

    findings: those that need a person and have no answer yet. moved: None for the first run. history: headline figures
    of the runs so far, the oldest first. scenario: the saved scenario's name, "" for the starting assumptions.
    """

    scope: Scope
    card: ModelCard
    actor: Actor
    now: datetime
    age: overview.Age
    stands: overview.Standing
    totals: movement.Totals
    history: tuple[movement.Totals, ...]
    moved: Moved | None
    drivers: pd.DataFrame
    findings: tuple[Finding, ...]
    starts: dict[str, Start]
    simulation: Simulation
    scenario: str

    @property
    def currency(self) -> str:
        """The ISO code of the dataset's money."""
        return self.scope.dataset.currency

    @property
    def headline(self) -> str:
        """What stands out, in a sentence."""
        return overview.sentence(self.stands, self.scope.dataset.label.horizon_days)

    @property
    def answer(self) -> str:
        """What the recovery simulation says, in a sentence."""
        return recovery_sentence(self.simulation, self.currency)


def gather(scope: Scope, actor: Actor, now: datetime, scenario: str = "", budget: float | None = None) -> Facts:
    """Ask everything that the page says of the run."""
    card = store.card(scope.dataset.name, scope.run.model_id)
    doubt, starts = overview.doubt(card), recovery_starts(scope)
    simulated = simulate(recovery_cells(scope, doubt), _scenario(scope, starts, actor, scenario, budget))
    return Facts(
        scope, card, actor, now, overview.age(scope, now), overview.standing(scope, doubt), movement.totals(scope),
        _history(scope), _moved(scope, actor), overview.drivers(scope).head(DRIVERS), _open(card, scope, actor), starts,
        simulated, scenario)


def _scenario(scope: Scope, starts: dict[str, Start], actor: Actor, name: str, budget: float | None) -> Scenario:
    """The saved scenario of that name, or what the screen begins with."""
    found = first_scenario(scope, starts)
    if name:
        kept = {entry.name: entry.content for entry in saved.kept("scenario", scope.dataset.name, actor=actor)}
        found = Scenario.of(choose("scenario", name, kept))
    return found if budget is None else replace(found, budget=budget)


def _history(now: Scope) -> tuple[movement.Totals, ...]:
    return tuple(movement.totals(scope(run.dataset, run.run_id)) for run in movement.history(now.run))


def _moved(now: Scope, actor: Actor) -> Moved | None:
    before = next(iter(movement.earlier(now.run).values()), None)
    if before is None:
        return None
    then = movement.totals(scope(before.dataset, before.run_id))
    return Moved(then, movement.changes(now, before.run_id, actor))


def _open(card: ModelCard, scope: Scope, actor: Actor) -> tuple[Finding, ...]:
    """Findings without an answer, the worst first; all of them where the actor may not read the answers."""
    if may(actor, "answer"):
        found = answers.asked(card, scope.dataset, actor)
        return tuple(in_own_words(card, one.finding) for one in found if one.answer is None)
    asking = [in_own_words(card, found) for found in answers.findings(card, scope.dataset)
              if found.severity in answers.ASKING]
    return tuple(sorted(asking, key=lambda finding: answers.ASKING.index(finding.severity)))


def signed(value: float, currency: str) -> str:
    """Money with its sign.

    >>> signed(1_200.0, "USD"), signed(-12_300.0, "USD")
    ('+$1,200', '-$12.3k')
    """
    return ("+" if value >= 0 else "") + money(value, currency)


def money_moved(facts: Facts, name: str) -> str:
    """How a money figure moved since the run before; "" without one, or where that run's money is of another
    currency."""
    then = facts.moved.then if facts.moved else None
    if then is None or then.currency != facts.currency:
        return ""
    return signed(getattr(facts.totals, name) - getattr(then, name), facts.currency)


def movement_words(facts: Facts) -> str:
    """What changed since the run before, in sentences."""
    moved = facts.moved
    if moved is None:
        return "This is the first scoring run: from the next one on, this page says what changed."
    then, now, changes = moved.then, facts.totals, moved.changes
    days = (now.as_of - then.as_of).days
    model = "" if changes.same_model else " Another model judged then: part of the movement is the model's."
    margin = money_moved(facts, "margin_at_risk")
    of_money = f" and margin at risk by {margin}" if margin else ""
    apart = "" if margin else f" Money was in {then.currency or 'a currency not named'} then: it is not compared."
    return (f"Since {then.as_of:%d %b %Y} ({plural(days, 'day')}) expected leavers moved by "
            f"{now.leavers - then.leavers:+,.0f}{of_money}.{apart} "
            f"Of {plural(changes.stayed, 'customer')} here at both moments {moved.rose:,} rose to a higher risk band "
            f"and {moved.fell:,} fell to a lower one; {changes.came_and_went}.{model}")


def record(facts: Facts) -> dict[str, Any]:
    """The digest's figures as plain values, for `--json`."""
    stands, total, run = facts.stands, facts.simulation.total, facts.scope.run
    told: dict[str, Any] = jsonable({
        "dataset": run.dataset, "run_id": run.run_id, "model_id": run.model_id, "as_of": run.as_of.date().isoformat(),
        "synthetic": run.synthetic, "currency": facts.currency, "customers": stands.customers,
        "headline": facts.headline, "leavers": stands.leavers, "margin_at_risk": stands.margin_at_risk,
        "mean_ltv": stands.mean_ltv, "vip_share": stands.vip_share, "age": facts.age,
        "moved": movement_words(facts), "segments": stands.segments.to_dict("records"),
        "drivers": facts.drivers.to_dict("records"), "findings": facts.findings,
        "recovery": {
            "scenario": facts.scenario, "says": facts.answer, "budget": facts.simulation.scenario.budget,
            "investment": total.investment, "saves": total.saves, "net": total.net, "roi": total.roi,
            "roi_words": roi_words(total), "break_even": rate_words(total.break_even), "best": facts.simulation.best,
            "refused": facts.simulation.refused,
            "assumptions": {segment: vars(terms) | {"source": facts.starts[segment].source(terms.recovery_rate)}
                            for segment, terms in facts.simulation.scenario.segments.items()},
        },
    })
    return told
