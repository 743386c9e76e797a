"""Budgets: at most one of 10 treatments per customer under 15 limits (budget, 10 treatment caps, 4 channels)"""

from __future__ import annotations

import resource
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.common import Row, clock
from engine.decision.budget import Limit, Problem, solve

TREATMENTS, CHANNELS = 10, 4
TIMES = 5
MILLION, TEN_MILLION, LP_SIZE = 1_000_000, 10_000_000, 100_000


def run(_real_data: Path) -> list[Row]:
    """The dual at every size, beside HiGHS and the greedy in the same run; no file is read."""
    solve(company(40_000, 9), "dual", 1e-7)
    rows = [exact()]
    hundred = company(LP_SIZE, 1)
    rows += [told("100,000, LP by HiGHS' interior point", hundred, "lp", 1),
             told("100,000, dual", hundred, "dual", TIMES)]
    many = company(MILLION, 2)
    rows += [
        told("1,000,000, greedy", many, "greedy", 1),
        told("1,000,000, dual, gap 1e-5 asked", many, "dual", TIMES, 1e-5, 0.3),
        told("1,000,000, dual, gap 1e-8 asked", many, "dual", 3, 1e-8, 3.0),
    ]
    del many, hundred
    most = company(TEN_MILLION, 3, np.float32)
    row = told("10,000,000, dual, single-precision values", most, "dual", 3, 1e-5, 1.5)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [*rows, row, Row("most memory held in this run", f"{memory:.1f} GB", "<= 2 GB", memory <= 2,
                            "making the problems included")]


def exact() -> Row:
    """Branch and bound beside the dual on the same small problem."""
    small = company(1_000, 4)
    branched, priced = solve(small, "milp", 1e-7), solve(small, "dual", 1e-7)
    apart = abs(branched.value - priced.value) / branched.value
    return Row("1,000, MILP (HiGHS) and dual", f"{branched.seconds:.2f} s and {priced.seconds:.2f} s, "
               f"values {apart:.0e} apart", "<= 2e-7 apart", apart <= 2e-7)


def told(name: str, problem: Problem, method: str, times: int, gap: float = 1e-5, seconds: float | None = None) -> Row:
    """Median CPU seconds (of all threads), median seconds on the clock, and the largest gap proven."""
    plans, cpu = [], []
    for _ in range(times):
        with clock() as took:
            plans.append(solve(problem, method, gap))
        cpu.append(took.cpu)
    proven, wall = max(plan.gap for plan in plans), median(plan.seconds for plan in plans)
    measured = f"{median(cpu):.2f} CPU s, {wall:.2f} s on the clock, gap {proven:.1e}"
    if seconds is None:
        return Row(name, measured)
    return Row(name, measured, f"<= {seconds} s at <= {gap:g}", median(cpu) <= seconds and proven <= gap,
               f"median of {times}; judged by CPU seconds")


def company(n: int, seed: int, kind: type = np.float64) -> Problem:
    """Customers of uneven worth; a tenth of the offers is not allowed; limits of which some bind."""
    rng = np.random.default_rng(seed)
    worth: np.ndarray = (rng.beta(1.2, 4, n) * np.exp(rng.normal(5.5, 0.6, n))).astype(kind)[:, None]
    cost: np.ndarray = rng.random((n, TREATMENTS), dtype=np.float32).astype(kind)
    cost *= 12
    cost += rng.uniform(1, 12, TREATMENTS).astype(kind)
    values: np.ndarray = rng.random((n, TREATMENTS), dtype=np.float32).astype(kind)
    values *= values
    values *= 0.6 * worth
    values -= cost
    values[rng.random(values.shape, dtype=np.float32) < 0.1] = np.nan
    channel = np.arange(TREATMENTS) % CHANNELS
    caps = [Limit(f"treatment:{t}", np.eye(TREATMENTS)[t], float(int(n * rng.uniform(0.01, 0.03))))
            for t in range(TREATMENTS)]
    channels = [Limit(f"channel:{c}", (channel == c) * 1.0, float(int(n * rng.uniform(0.02, 0.05))))
                for c in range(CHANNELS)]
    return Problem(values, (Limit("budget", cost, 1.2 * n), *caps, *channels))
