"""Simulated retention world, 8 seeds never looked at before: a learned plan's share of the best possible value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from benchmarks.common import Row, clock
from benchmarks.retention_world import Trial, margin, trial, value
from engine.prediction.uplift_learners import LEARNERS

DECIDED, SEEDS = 40_000, range(100, 108)  # the learner was designed on others (0 to 2)
GOALS = {5_000: 0.75, 20_000: 0.90, 100_000: 0.96}
RHOS = (-0.5, 0.5)
PUBLISHED_ON = 20_000


def run(_real_data: Path) -> list[Row]:
    """Ours at every size, the published learners at one, and the rules that ask no learner, at the same 20 %."""
    worlds = {seed: trial(DECIDED, 0.0, 1_000 + seed) for seed in SEEDS}
    rows = list(rules(worlds, 0.0))
    for n, goal in GOALS.items():
        rows.append(learned("logit", n, 0.0, goal))
    rows += [learned(name, PUBLISHED_ON, 0.0, None) for name in ("t_learner", "dr_learner")]
    rows.append(pooled(PUBLISHED_ON, 0.0))
    for rho in RHOS:
        rows += [*rules({seed: trial(DECIDED, rho, 1_000 + seed) for seed in SEEDS}, rho),
                 learned("logit", PUBLISHED_ON, rho, None)]
    return rows


def rules(worlds: dict[int, Trial], rho: float) -> Iterator[Row]:
    """Top risk and risk x LTV, given even the true risk, and 20 % contacted as they would."""
    for name, score in (("top risk", lambda world: world.p0), ("risk x LTV", lambda world: world.p0 * world.ltv)):
        shares = [value(score(world), world, all_of_them=True) / best(world) for world in worlds.values()]
        yield Row(f"{name}, rho {rho:g}", told(shares), note="the true risk is known to it")


def learned(name: str, n: int, rho: float, goal: float | None) -> Row:
    """Expected incremental margin by a learner's uplift, from a trial of n customers."""
    shares, seconds = [], []
    for seed in SEEDS:
        known, world = trial(n, rho, seed), trial(DECIDED, rho, 1_000 + seed)
        arm = known.treated.astype(np.int64)
        with clock() as took:
            effects = LEARNERS[name](known.X, arm, known.churned, np.full(n, 0.5), seed)
        p = effects.chances(world.X)
        shares.append(value(margin(p[:, 0] - p[:, 1], p[:, 1], world.ltv), world) / best(world))
        seconds.append(took.cpu)
    return Row(f"uplift x LTV - cost, {name}, n = {n:,}, rho {rho:g}", told(shares),
               "" if goal is None else f">= {goal}", None if goal is None else mean(shares) >= goal,
               f"{mean(seconds):.1f} CPU s to learn")


def pooled(n: int, rho: float) -> Row:
    """Expected incremental margin by one rate for all, of a trial of n customers, times the true chance to leave."""
    shares = []
    for seed in SEEDS:
        known, world = trial(n, rho, seed), trial(DECIDED, rho, 1_000 + seed)
        rate = 1 - known.churned[known.treated].mean() / known.churned[~known.treated].mean()
        uplift = rate * world.p0
        shares.append(value(margin(uplift, world.p0 - uplift, world.ltv), world) / best(world))
    return Row(f"pooled rate x risk x LTV - cost, n = {n:,}, rho {rho:g}", told(shares),
               note="what a plan rests on where uplift is not usable; the true risk is known to it")


def best(world: Trial) -> float:
    """What the same rule brings that knows the true chances."""
    return value(margin(world.p0 - world.p1, world.p1, world.ltv), world)


def told(shares: list[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{mean(shares):.3f} (sd {stdev(shares):.3f}, {len(shares)} seeds)"
