"""Budgets: every plan keeps its limits, its proof holds when computed anew, and the methods agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.campaign.budgets import cents
from engine.decision.budget import SOLVERS, Limit, Problem, solve
from engine.errors import EngineError, Infeasible

EXACT = ("milp", "dual")


def company(customers: int, treatments: int = 4, seed: int = 0, tight: float = 1.0) -> Problem:
    """Customers with uneven worth, a budget whose use depends on the customer, caps per treatment, two channels."""
    rng = np.random.default_rng(seed)
    worth = rng.beta(1.2, 4, customers) * np.exp(rng.normal(5.5, 0.6, customers))
    cost = rng.uniform(1, 12, treatments) + rng.gamma(2, 3, (customers, treatments))
    values = rng.beta(2, 20, (customers, treatments)) * worth[:, None] * 2 - cost
    values[rng.random(values.shape) < 0.1] = np.nan
    channel = np.arange(treatments) % 2
    caps = [Limit(f"treatment:{t}", np.eye(treatments)[t], math.floor(tight * 0.05 * customers) + 1.0)
            for t in range(treatments)]
    channels = [Limit(f"channel:{c}", (channel == c) * 1.0, math.floor(tight * 0.08 * customers) + 1.0) for c in (0, 1)]
    return Problem(values, (Limit("budget", cost, tight * 0.9 * customers), *caps, *channels))


def used(problem: Problem, choice: np.ndarray) -> dict[str, float]:
    """What a plan uses of each limit, summed exactly."""
    treated = [(i, t) for i, t in enumerate(choice) if t >= 0]
    use = {limit.name: np.broadcast_to(limit.use, problem.values.shape) for limit in problem.limits}
    return {name: math.fsum(float(u[i, t]) for i, t in treated) for name, u in use.items()}


def bound_by(problem: Problem, prices: dict[str, float]) -> float:
    """The Lagrangian bound of those prices, written as in the textbook."""
    reduced = np.nan_to_num(problem.values.astype(float), nan=-np.inf)
    for limit in problem.limits:
        reduced = reduced - prices[limit.name] * np.broadcast_to(limit.use, problem.values.shape)
    best = np.maximum(reduced.max(axis=1, initial=0.0), 0.0)
    return math.fsum([*best, *(prices[limit.name] * limit.most for limit in problem.limits)])


def brute(problem: Problem) -> float:
    """The best value by trying every plan; for a handful of customers."""
    rows, columns = problem.values.shape
    best = 0.0
    for plan in np.ndindex(*[columns + 1] * rows):
        choice = np.array(plan) - 1
        value = sum(problem.values[i, t] for i, t in enumerate(choice) if t >= 0)
        if value > best and all(used(problem, choice)[limit.name] <= limit.most for limit in problem.limits):
            best = float(value)
    return best


def check(problem: Problem, method: str, gap: float = 1e-9) -> float:
    """Solve; hold the plan to its promises; returns its value."""
    plan = solve(problem, method, gap)
    assert plan.method == method
    assert plan.choice.shape == (len(problem.values),)
    treated = np.flatnonzero(plan.choice >= 0)
    chosen = problem.values[treated, plan.choice[treated]]
    assert not np.isnan(chosen).any()
    assert plan.value == pytest.approx(math.fsum(chosen), rel=1e-12, abs=1e-12)
    for limit in problem.limits:
        assert used(problem, plan.choice)[limit.name] <= limit.most, f"{method} breaks {limit.name}"
        assert plan.prices[limit.name] >= 0
    assert plan.bound >= plan.value
    assert plan.bound <= bound_by(problem, dict(plan.prices)) * (1 + 1e-9) + 1e-9
    return plan.value


class TestEverySolver:
    @pytest.mark.parametrize("method", sorted(SOLVERS))
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.slow
    def test_keeps_every_limit_and_proves_its_bound(self, method: str, seed: int) -> None:
        check(company(150, seed=seed), method)

    @pytest.mark.parametrize("method", sorted(SOLVERS))
    @pytest.mark.slow
    def test_never_beats_the_best_of_all_plans_nor_its_bound(self, method: str) -> None:
        for seed in range(6):
            problem = company(5, 2, seed=seed)
            best = brute(problem)
            plan = solve(problem, method, 1e-9)
            assert plan.value <= best + 1e-9 <= plan.bound + 1e-6
            if method in EXACT:
                assert plan.value == pytest.approx(best)

    @pytest.mark.parametrize("method", sorted(SOLVERS))
    @pytest.mark.parametrize("values", [
        np.full((30, 3), -1.0), np.full((30, 3), np.nan), np.zeros((30, 3)), np.full((30, 3), -np.inf),
        np.empty((0, 3)), np.empty((4, 0)),
    ], ids=["bad", "forbidden", "worthless", "minus infinity", "nobody", "no treatment"])
    def test_does_nothing_where_nothing_pays(self, method: str, values: np.ndarray) -> None:
        plan = solve(Problem(values, (Limit("budget", np.ones(values.shape[1]), 5),)), method)
        assert (plan.choice == -1).all()
        assert plan.value == plan.gap == 0

    @pytest.mark.parametrize("method", sorted(SOLVERS))
    def test_spends_nothing_of_a_budget_of_nothing(self, method: str) -> None:
        problem = company(60)
        none = Problem(problem.values, (Limit("budget", problem.limits[0].use, 0.0),))
        assert (solve(none, method).choice == -1).all()

    @pytest.mark.parametrize("method", sorted(SOLVERS))
    def test_gives_everybody_their_best_where_no_limit_binds(self, method: str) -> None:
        values = company(80).values
        free = Problem(values, (Limit("budget", np.ones(4), math.inf), Limit("spare", np.zeros(4), 0.0)))
        best = np.nan_to_num(values, nan=-np.inf).max(axis=1).clip(0).sum()
        plan = solve(free, method)
        assert plan.value == pytest.approx(best)
        assert set(plan.prices.values()) == {0.0}
        assert solve(Problem(values, ()), method).value == pytest.approx(best)

    @pytest.mark.parametrize("method", sorted(SOLVERS))
    def test_breaks_ties(self, method: str) -> None:
        """A thousand equal customers, two equal treatments, room for a hundred and for seventy."""
        limits = (Limit("budget", np.array([3.0, 3.0]), 300.0), Limit("treatment:1", np.array([0.0, 1.0]), 70.0))
        plan = solve(Problem(np.full((1_000, 2), 7.0), limits), method)
        assert plan.value == 700.0
        assert plan.gap <= 1e-6
        assert np.count_nonzero(plan.choice == 1) <= 70

    @pytest.mark.parametrize("method", sorted(SOLVERS))
    def test_decides_for_one_customer_and_one_treatment(self, method: str) -> None:
        one = solve(Problem(np.array([[3.0, 9.0, np.nan]]), (Limit("budget", np.array([1.0, 5.0, 0.0]), 4.0),)), method)
        assert one.choice.tolist() == [0]
        values = np.arange(-50.0, 50.0)[:, None]
        many = solve(Problem(values, (Limit("budget", np.ones(1), 10.0),)), method)
        assert many.value == pytest.approx(445.0)
        assert np.flatnonzero(many.choice == 0).tolist() == list(range(90, 100))

    @pytest.mark.parametrize("method", sorted(SOLVERS))
    def test_takes_floats_of_either_size_whole_numbers_and_any_layout(self, method: str) -> None:
        problem = company(60)
        single = Problem(problem.values.astype(np.float32), problem.limits)
        assert solve(single, method).value == pytest.approx(solve(problem, method).value, rel=1e-5)
        layout = Problem(np.asfortranarray(problem.values), problem.limits)
        assert solve(layout, method).value == solve(problem, method).value
        whole = Problem(np.array([[5, 1], [4, 2]]), (Limit("budget", np.array([[2, 1], [2, 1]]), 3),))
        assert solve(whole, method, 1e-9).value == 7


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 5), st.floats(0, 3))
@settings(max_examples=40, deadline=None, derandomize=True)
@pytest.mark.slow
def test_branching_and_pricing_agree(seed: int, customers: int, treatments: int, tight: float) -> None:
    problem = company(customers, treatments, seed, tight)
    branched, priced = (check(problem, method) for method in EXACT)
    assert priced == pytest.approx(branched, rel=1e-6, abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None, derandomize=True)
@pytest.mark.slow
def test_whole_numbers_and_ties_agree_too(seed: int) -> None:
    """Few distinct values and uses: everything is a tie."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-2, 6, (40, 3)).astype(float)
    limits = (Limit("budget", rng.integers(0, 4, (40, 3)).astype(float), float(rng.integers(0, 40))),
              Limit("team:agents", rng.integers(0, 3, 3).astype(float), float(rng.integers(0, 25))))
    problem = Problem(values, limits)
    branched, priced = (check(problem, method) for method in EXACT)
    assert priced == branched


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_customers_come_within_the_gap_asked(seed: int) -> None:
    problem = company(100_000, 10, seed)
    plan = solve(problem)
    assert plan.method == "dual"
    assert plan.gap <= 1e-5
    assert bound_by(problem, dict(plan.prices)) == pytest.approx(plan.bound, rel=1e-11)
    assert plan.value > 1.005 * solve(problem, "greedy").value


@pytest.mark.slow
def test_without_patience_it_says_how_far_the_best_may_be() -> None:
    """A budget for a few of many, where no plan comes within so small a gap: it keeps its promises all the same."""
    problem = company(600, 6, 3, tight=0.02)
    hasty, best = solve(problem, "dual", 1e-12, patience=0.0), solve(problem, "milp", 1e-9)
    assert hasty.value <= best.value * (1 + 1e-9) <= hasty.bound * (1 + 2e-9)
    assert hasty.gap == pytest.approx(1 - hasty.value / hasty.bound) and hasty.gap < 0.2
    assert all(used(problem, hasty.choice)[limit.name] <= limit.most for limit in problem.limits)


@pytest.mark.slow
def test_many_equal_customers_come_near_the_best() -> None:
    """Ten kinds of customers, 20,000 of each: the prices leave whole crowds undecided."""
    rng = np.random.default_rng(2)
    kinds, cost = rng.uniform(1, 30, (10, 4)), rng.integers(1, 6, (10, 4)).astype(float)
    limits = (Limit("budget", np.repeat(cost, 20_000, axis=0), 150_000.0),
              *(Limit(f"treatment:{t}", np.eye(4)[t], 17_000.0) for t in range(4)))
    problem = Problem(np.repeat(kinds, 20_000, axis=0), limits)
    assert check(problem, "dual", 1e-5) > 0
    assert solve(problem, "dual").gap < 1e-5


@pytest.mark.parametrize("method", ["milp", "dual"])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.slow
def test_prices_are_what_one_more_unit_brings(method: str, seed: int) -> None:
    """Beside finite differences of the LP optimum, which bracket them: less room costs more than more brings."""
    problem = company(400, seed=seed)
    plan, here = solve(problem, method, 1e-9), relaxation(problem, {})
    for limit in problem.limits:
        step = 1e-3 * max(limit.most, 1.0)
        more = (relaxation(problem, {limit.name: step}) - here) / step
        less = (here - relaxation(problem, {limit.name: -step})) / step
        slack = 0.02 * max(less, 1e-6)
        assert more - slack <= plan.prices[limit.name] <= less + slack


def relaxation(problem: Problem, changes: dict[str, float]) -> float:
    """The LP optimum with some limits changed, by scipy from scratch."""
    from scipy.optimize import linprog

    rows, columns = problem.values.shape
    cost = -np.nan_to_num(problem.values, nan=-1.0).ravel()
    use = [np.broadcast_to(limit.use, problem.values.shape).ravel() for limit in problem.limits]
    most = [limit.most + changes.get(limit.name, 0.0) for limit in problem.limits]
    each = np.kron(np.eye(rows), np.ones(columns))
    return -float(linprog(cost, A_ub=np.vstack([*use, each]), b_ub=[*most, *np.ones(rows)], method="highs").fun)


def in_cents(problem: Problem, choice: np.ndarray) -> int:
    """What a plan spends, counted in whole cents as the ledger does."""
    cost = np.broadcast_to(problem.limits[0].use, problem.values.shape)
    return sum(round(100 * float(cost[i, t])) for i, t in enumerate(choice) if t >= 0)


def best_in_cents(problem: Problem) -> float:
    """The best value of all plans whose whole cents keep the budget."""
    rows, columns = problem.values.shape
    plans = (np.array(plan) - 1 for plan in np.ndindex(*[columns + 1] * rows))
    return max(sum(float(problem.values[i, t]) for i, t in enumerate(plan) if t >= 0) for plan in plans
               if in_cents(problem, plan) <= round(100 * problem.limits[0].most))


@pytest.mark.parametrize("method", sorted(SOLVERS))
class TestMoney:
    @pytest.mark.slow
    @pytest.mark.parametrize("price", [0.1, 0.2, 0.3, 0.07, 5.5, 19.99, 2.9985])
    @pytest.mark.parametrize("per_customer", [True, False], ids=["per customer", "per treatment"])
    def test_is_spent_to_the_last_cent(self, method: str, price: float, per_customer: bool) -> None:
        """Of ten offers a budget for two, three, ... buys two, three, ..., and for a hair less one fewer."""
        use = np.full((10, 1) if per_customer else 1, price)
        for bought in (2, 3, 7):
            values, most = np.arange(1.0, 11.0)[:, None], bought * price
            plan = solve(Problem(values, (Limit("budget", use, most),)), method, 1e-9)
            assert np.flatnonzero(plan.choice == 0).tolist() == list(range(10 - bought, 10))
            short = solve(Problem(values, (Limit("budget", use, most - 5e-5),)), method, 1e-9)
            assert np.count_nonzero(short.choice == 0) == bought - 1

    @pytest.mark.parametrize("most", [0.3, 0.1 + 0.2, 0.30000001])
    def test_is_counted_in_cents_not_in_floats(self, method: str, most: float) -> None:
        """0.1 + 0.2 > 0.3 in floats; in cents it is the same."""
        use = np.array([[0.1], [0.2], [0.3]])
        assert solve(Problem(np.array([[5.0], [5.0], [3.0]]), (Limit("budget", use, most),)), method).value == 10.0
        assert solve(Problem(np.array([[1.0], [1.0], [9.0]]), (Limit("budget", use, most),)), method).value == 9.0

    def test_in_single_precision_is_counted_too(self, method: str) -> None:
        use = np.full((4, 1), 0.1, np.float32)
        plan = solve(Problem(np.ones((4, 1), np.float32), (Limit("budget", use, 0.3),)), method)
        assert plan.value == 3.0

    def test_has_a_price_in_its_own_unit(self, method: str) -> None:
        """A hundred equal offers of 5.50 that bring 11 each: one more unit of budget brings 2."""
        plan = solve(Problem(np.full((100, 1), 11.0), (Limit("budget", np.full((100, 1), 5.5), 277.75),)), method)
        assert plan.value == 550.0 and plan.prices["budget"] == pytest.approx(2.0)
        assert plan.bound <= 555.5 * (1 + 1e-9)

    def test_of_no_whole_unit_is_never_overspent(self, method: str) -> None:
        """Budgets that are sums of some of the costs: what rounding may add is left, never taken."""
        for seed in range(8):
            rng = np.random.default_rng(seed)
            cost = rng.uniform(1, 9, (40, 2))
            most = math.fsum(cost[:12, 0])
            problem = Problem(cost * rng.uniform(1, 3, cost.shape), (Limit("budget", cost, most),))
            check(problem, method)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_in_cents_all_agree_with_the_best_of_all_plans(seed: int) -> None:
    """Budgets met exactly by some plan, from costs like .10, .20, .30."""
    rng = np.random.default_rng(seed)
    cost, values = rng.integers(1, 40, (6, 2)) / 10, rng.integers(1, 30, (6, 2)) * 1.0
    problem = Problem(values, (Limit("budget", cost, float(cost[:3, 0].sum())),))
    best = best_in_cents(problem)
    for method in SOLVERS:
        plan = solve(problem, method, 1e-9)
        assert in_cents(problem, plan.choice) <= round(100 * problem.limits[0].most)
        assert plan.value <= best <= plan.bound * (1 + 1e-9)
        assert plan.value == best or method not in EXACT


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_in_cents_branching_and_pricing_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = rng.integers(5, 1_500, (120, 3)) / 100
    values = np.where(rng.random(cost.shape) < 0.1, np.nan, cost * rng.uniform(0.5, 4, cost.shape))
    limits = (Limit("budget", cost, float(cost[:20, 1].sum())), Limit("team:agents", np.array([0.0, 7.5, 2.5]), 60.0))
    problem = Problem(values, limits)
    plans = [solve(problem, method, 1e-9) for method in EXACT]
    assert plans[0].value == pytest.approx(plans[1].value, rel=1e-9)
    for plan in plans:
        assert in_cents(problem, plan.choice) <= round(100 * limits[0].most)
        assert cents(float(np.sum([cost[i, t] for i, t in enumerate(plan.choice) if t >= 0]))) <= cents(limits[0].most)


class TestSenselessLimits:
    VALUES = np.ones((4, 2))

    @pytest.mark.parametrize(("limit", "words"), [
        (Limit("budget", np.ones(2), -1.0), "budget is -1"),
        (Limit("budget", np.ones(2), math.nan), "budget is nan"),
        (Limit("channel:phone", np.array([1.0, -1.0]), 3.0), "channel:phone: what a treatment uses"),
        (Limit("team:agents", np.array([1.0, np.nan]), 3.0), "team:agents: what a treatment uses"),
        (Limit("team:agents", np.array([np.inf, 1.0]), 3.0), "team:agents: what a treatment uses"),
        (Limit("budget", np.full((4, 2), np.nan), 3.0), "budget: what a treatment uses"),
        (Limit("budget", np.ones(3), 3.0), r"budget says its use for \(3,\)"),
        (Limit("budget", np.ones((2, 4)), 3.0), r"budget says its use for \(2, 4\)"),
    ])
    def test_are_named(self, limit: Limit, words: str) -> None:
        with pytest.raises(Infeasible, match=words):
            solve(Problem(self.VALUES, (limit,)))

    def test_are_all_named_at_once(self) -> None:
        limits = (Limit("budget", np.ones(2), -1.0), Limit("budget", np.ones(2), 4.0), Limit("x", np.ones(2), math.nan))
        with pytest.raises(Infeasible, match=r"budget is named twice.*budget is -1.*x is nan"):
            solve(Problem(self.VALUES, limits))

    def test_an_infinite_value_is_refused(self) -> None:
        with pytest.raises(Infeasible, match="infinite"):
            solve(Problem(np.array([[np.inf]]), ()))

    def test_what_is_not_allowed_may_use_anything(self) -> None:
        use = np.array([[1.0, np.nan], [1.0, 2.0]])
        plan = solve(Problem(np.array([[3.0, np.nan], [1.0, 5.0]]), (Limit("budget", use, 3.0),)), "dual")
        assert plan.choice.tolist() == [0, 1]

    def test_an_unknown_method_is_answered_with_the_known_ones(self) -> None:
        with pytest.raises(EngineError, match="dual, greedy, lp, milp"):
            solve(Problem(self.VALUES, ()), "magic")
