"""Lifetime value: expected discounted margin over the LTV horizon, by one registry of algorithms.

Every algorithm answers with a split of the future (engine.prediction.money): what the customer brings if she does not
leave within the label window (ltv_if_stays), and if she does. The calibrated churn probability mixes the two, once:

    expected_ltv = (1 - churn_probability) ltv_if_stays + churn_probability x margin of those who leave

    survival        present margin per month x a survival curve: the hazard's shape by tenure where tenure and leavers
                    are known, a constant hazard otherwise; S(window) = 1 - churn_probability for each customer
    random_forest   margin per month by a random forest x the same survival curve
    bgnbd           orders by BG/NBD x value per order by Gamma-Gamma
    two_part        margin of a period by P(any purchase) x E[spend | purchase]; BG/NBD carries it to the horizon where
    tweedie         purchases are known, the survival curve otherwise; tweedie: one boosted Tweedie regression;
    two_part_tweedie    the mean of the two
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import EngineError, choose
from engine.prediction import survival as sv
from engine.prediction.ltv_metrics import (
    concordance,
    deciles,
    density,
    estimate,
    estimates,
    first_year_deciles,
    first_year_error,
)
from engine.prediction.money import DAYS_PER_MONTH, Floats, LtvSettings, Split, month_grid, split_by_survival
from engine.prediction.orders_value import OrderModel, fit_orders
from engine.prediction.regressors import Forest, Regressor, Tweedie, TwoPart, fit_periods, two_part_and_tweedie
from engine.schema import Estimate

REGRESSORS: Mapping[str, Callable[[int], Regressor]] = {
    "random_forest": Forest, "two_part": TwoPart, "tweedie": Tweedie, "two_part_tweedie": two_part_and_tweedie,
}
RHYTHMIC = frozenset({"bgnbd", "two_part", "tweedie", "two_part_tweedie"})
LTV_MODELS: Mapping[str, str] = {
    "survival": "present margin x survival curve of a contract",
    "random_forest": "margin by a random forest x survival curve",
    "bgnbd": "orders by BG/NBD x value by Gamma-Gamma",
    "two_part": "P(any purchase) x spend if any",
    "tweedie": "boosted Tweedie regression of spend",
    "two_part_tweedie": "mean of the two",
}
FOLDS = 5
SURVIVAL_REPLICATES = 30
MANY_ROWS = 60_000
SURE_TO_LEAVE = 0.98
ORDER_COLUMNS = ("p_alive", "expected_orders", "next_order_in_days")


@dataclass(frozen=True)
class LtvInputs:
    """What is known of each customer as of one moment (or several, then with the index of a Snapshot's X).

    churn_probability: calibrated, within label_window_days. monthly_margin: present margin [currency per month].
    purchases: frequency, recency_days, T_days, monetary_value [currency of revenue], order_value if known; orders only.
    tenure_months, left: months since the contract began, and whether it ends within the label window; contracts only.
    """

    X: pd.DataFrame
    churn_probability: pd.Series
    label_window_days: float
    monthly_margin: pd.Series
    purchases: pd.DataFrame | None = None
    tenure_months: pd.Series | None = None
    left: pd.Series | None = None

    def __post_init__(self) -> None:
        for name in ("churn_probability", "monthly_margin", "purchases", "tenure_months", "left"):
            rows = getattr(self, name)
            assert rows is None or rows.index.equals(self.X.index), f"{name} does not have the index of X."
        p = self.churn_probability.to_numpy(float)
        if not ((p >= 0) & (p <= 1)).all():
            raise EngineError("A churn probability is missing or outside 0..1. Score the customers first.")

    @property
    def p(self) -> Floats:
        """The churn probabilities as an array."""
        return self.churn_probability.to_numpy(float)

    @property
    def window_months(self) -> float:
        """The label window [months]."""
        return self.label_window_days / DAYS_PER_MONTH

    def tenure(self) -> pd.Series | None:
        """Months of tenure: given, or the feature of that name, or None."""
        if self.tenure_months is not None:
            return self.tenure_months
        return self.X.get("tenure_months")


@dataclass(frozen=True)
class LtvModel:
    """A trained LTV model. period_days: what the regressor's money was earned over, 0 = the present rate. level: what
    its money is multiplied by (engine.prediction.value_level)."""

    algorithm: str
    settings: LtvSettings
    period_days: float = 0.0
    hazard: sv.HazardModel | None = None
    orders: OrderModel | None = None
    regressor: Regressor | None = None
    columns: tuple[str, ...] = field(default=())
    level: float = 1.0

    def ltv(self, inputs: LtvInputs, horizon_days: float | None = None,
            annual_discount: float | None = None) -> pd.DataFrame:
        """ltv_if_stays, expected_ltv [currency], expected_months, p_alive, expected_orders, next_order_in_days.

        The horizon and the discount are the settings' unless given. The last three are missing without purchases.
        """
        horizon = self.settings.horizon_days if horizon_days is None else horizon_days
        discount = self.settings.annual_discount if annual_discount is None else annual_discount
        split = self.split(inputs, horizon, discount)
        frame = pd.DataFrame({"ltv_if_stays": split.if_stays, "expected_ltv": split.expected(inputs.p),
                              "expected_months": split.expected_months(inputs.p)}, index=inputs.X.index)
        if self.orders is None or inputs.purchases is None:
            return frame.assign(**dict.fromkeys(ORDER_COLUMNS, np.nan))
        return frame.join(self.orders.rhythm(inputs.purchases, inputs.label_window_days, inputs.p))

    def split(self, inputs: LtvInputs, horizon_days: float, annual_discount: float) -> Split:
        """What the horizon brings if the customer stays through the label window, and if not [currency]."""
        unit = self._unit(inputs, horizon_days, annual_discount)
        if self.algorithm == "bgnbd":
            return unit
        return unit.times(self._scale(inputs))

    def _unit(self, inputs: LtvInputs, horizon_days: float, annual_discount: float) -> Split:
        """The split before it is scaled: of the order model's money, or of one unit of margin per month."""
        window = inputs.label_window_days
        if self.orders is not None and inputs.purchases is not None:
            return self.orders.split(inputs.purchases, window, horizon_days, annual_discount)
        months = month_grid(window, horizon_days)
        return split_by_survival(self.survival(inputs, months), months, window, horizon_days, annual_discount)

    def _scale(self, inputs: LtvInputs) -> Floats:
        """What the unit's split is multiplied by, so that the regressed period holds what the regression expects."""
        rate = self.monthly(inputs)
        if self.period_days <= 0:
            return rate
        p = np.minimum(inputs.p, SURE_TO_LEAVE)
        unit = self._unit(inputs, self.period_days, 0.0).expected(p)
        return np.asarray(rate * (self.period_days / DAYS_PER_MONTH) / np.maximum(unit, 1e-6))

    def monthly(self, inputs: LtvInputs) -> Floats:
        """Margin per month [currency per month]: the regression's over its period at its level, or the present one."""
        if self.regressor is None:
            return np.maximum(inputs.monthly_margin.to_numpy(float), 0.0)
        return np.maximum(self.regressor.predict(inputs.X[list(self.columns)]), 0.0) * self.level

    def survival(self, inputs: LtvInputs, months: Floats) -> Floats:
        """S at `months` from now, one row per customer; S(window) = 1 - churn_probability exactly."""
        tenure = inputs.tenure()
        if self.hazard is None or tenure is None:
            return sv.steady_curves(months, inputs.label_window_days, inputs.p)
        shape = self.hazard.log_survival(inputs.X, tenure, int(np.ceil(months[-1])) + 1)
        return sv.curves(shape, months, inputs.label_window_days, inputs.p)

    def time_to_churn(self, inputs: LtvInputs, months: int = 24) -> pd.DataFrame:
        """S after 1..`months` months ("month_1", ...), restricted_mean_months, best_contact_month per customer."""
        grid = np.arange(months + 1.0)
        survival = self.survival(inputs, grid)
        names = [f"month_{month}" for month in range(1, months + 1)]
        frame = pd.DataFrame(survival[:, 1:], index=inputs.X.index, columns=names)
        return frame.assign(restricted_mean_months=sv.restricted_mean(survival, grid),
                            best_contact_month=sv.best_contact_month(survival, grid))


def train_ltv(inputs: LtvInputs, target: pd.Series | None, algorithm: str, *, seed: int,
              settings: LtvSettings | None = None, period_days: float = 0.0,
              columns: tuple[str, ...] | None = None) -> tuple[LtvModel, dict[str, Estimate], dict[str, Any]]:
    """A trained model, how good it is on customers or periods it has not seen, and what a screen can draw.

    target: margin per month [currency per month], present (period_days 0) or earned within period_days after the
    inputs' as_of; rows of one customer at several moments stay in one fold. Without a target the regressions learn
    the present monthly margin. columns: the features that the regressions may use; all unless given.
    """
    choose("LTV model", algorithm, LTV_MODELS)
    settings = settings or LtvSettings()
    named = tuple(inputs.X.columns) if columns is None else columns
    empty = LtvModel(algorithm, settings, period_days if algorithm in REGRESSORS else 0.0, columns=named)
    rng, owners = np.random.default_rng(seed), _owners(inputs.X)
    model = replace(empty, orders=_orders(inputs, algorithm, settings), hazard=_hazard(inputs, algorithm))
    metrics, detail = _judge_hazard(inputs, model, seed, rng)
    if algorithm in REGRESSORS:
        y = (inputs.monthly_margin if target is None else target).to_numpy(float)
        out_of_fold = _out_of_fold(inputs.X[list(named)], y, algorithm, seed)
        model = replace(model, regressor=fit_periods(REGRESSORS[algorithm], seed, inputs.X[list(named)], y))
        metrics |= estimates(y, out_of_fold, "cross-validation by customer", rng, owners)
        detail |= held_out(y, out_of_fold, owners)
    elif target is not None and period_days > 0:
        y, predicted = target.to_numpy(float), _per_month(model, inputs, period_days)
        metrics |= estimates(y, predicted, f"the {period_days:.0f} days after as_of, not seen in training", rng, owners)
        detail |= held_out(y, predicted, owners)
    return model, metrics, detail | parameters(model)


def held_out(actual: Floats, predicted: Floats, owners: np.ndarray | None) -> dict[str, Any]:
    """Margin per month that came against what was predicted [currency per month]: by decile, and how rows lie."""
    return {"deciles": deciles(actual, predicted, owners).to_dict("list"), "density": density(actual, predicted)}


def _per_month(model: LtvModel, inputs: LtvInputs, days: float) -> Floats:
    """What the model expects per month within so many days, undiscounted [currency per month]."""
    if model.orders is None or inputs.purchases is None:
        return model.split(inputs, days, 0.0).expected(inputs.p) * (DAYS_PER_MONTH / days)
    history = (inputs.purchases[name].to_numpy(float) for name in ("frequency", "recency_days", "T_days"))
    orders = model.orders.when.expected_orders(days, *history)
    return np.asarray(orders * model.orders.value_per_order(inputs.purchases) * (DAYS_PER_MONTH / days))


def _orders(inputs: LtvInputs, algorithm: str, settings: LtvSettings) -> OrderModel | None:
    if algorithm not in RHYTHMIC or (inputs.purchases is None and algorithm != "bgnbd"):
        return None
    if inputs.purchases is None:
        raise EngineError('"bgnbd" needs purchases, and this dataset has none. Choose "survival" or "random_forest".')
    return fit_orders(_latest(inputs.purchases), settings.margin_rate)


def _latest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last as_of, where there are several."""
    if rows.index.nlevels == 1:
        return rows
    moments = rows.index.get_level_values("as_of")
    return rows[moments == moments.max()]


def _hazard(inputs: LtvInputs, algorithm: str) -> sv.HazardModel | None:
    tenure = inputs.tenure()
    if algorithm == "bgnbd" or tenure is None or inputs.left is None:
        return None
    if inputs.left[tenure.notna()].sum() < sv.FEWEST_LEAVERS:
        return None
    return sv.fit_hazard(inputs.X[sv.covariates(inputs.X, tenure)], tenure, inputs.left, inputs.window_months)


def _judge_hazard(inputs: LtvInputs, model: LtvModel, seed: int,
                  rng: np.random.Generator) -> tuple[dict[str, Estimate], dict[str, Any]]:
    tenure = inputs.tenure()
    if model.hazard is None or tenure is None or inputs.left is None:
        return {}, {}
    X = inputs.X[sv.covariates(inputs.X, tenure)]
    return judge_window(X, tenure, inputs.left, seed, rng, inputs.window_months)


def judge_window(X: pd.DataFrame, tenure_months: pd.Series, left: pd.Series, seed: int, rng: np.random.Generator,
                 window_months: float) -> tuple[dict[str, Estimate], dict[str, Any]]:
    """Concordance (by S(12)) and, of those in their first year, error of S(12) by decile, cross-validated.

    Only the window was watched, so customers are compared at the same month of tenure. Customers of unknown tenure are
    not judged.
    """
    known = tenure_months.notna().to_numpy()
    X, tenure_months, left = X[known], tenure_months[known], left[known]
    year = from_start(X, tenure_months, left, seed, 12, window_months)[:, 12]
    entered = sv.middle_of_window(tenure_months.to_numpy(float), window_months).astype(float)
    gone = np.asarray(left, float)
    found = {"concordance": estimate(concordance, (entered + 1, gone, year, entered), "cross-validation", rng,
                                     SURVIVAL_REPLICATES, _owners(X))}
    deciles_of_new = first_year_deciles(entered, gone, year, window_months)
    if deciles_of_new.empty:
        return found, {}
    found["first_year_error"] = estimate(
        partial(first_year_error, window_months=window_months), (entered, gone, year),
        "cross-validation, customers in their first year", rng, SURVIVAL_REPLICATES, _owners(X))
    return found, {"first_year_deciles": deciles_of_new.to_dict("list")}


def from_start(X: pd.DataFrame, tenure_months: pd.Series, left: pd.Series, seed: int, months: int,
                window_months: float | None = None) -> Floats:
    """S at 0, 1, ..., `months` months of tenure, each customer's by a model that has not seen her."""
    survival = np.zeros((len(X), months + 1))
    for train, test in _folds(X, np.asarray(left, int), seed):
        fitted = sv.fit_hazard(X.iloc[train], tenure_months.iloc[train], left.iloc[train], window_months)
        survival[test] = fitted.from_start(X.iloc[test], months)
    return survival


def _out_of_fold(X: pd.DataFrame, y: Floats, algorithm: str, seed: int) -> Floats:
    """Each row predicted by a model that has not seen its customer."""
    predicted = np.zeros(len(X))
    for train, test in _folds(X, (y > 0).astype(int), seed):
        predicted[test] = fit_periods(REGRESSORS[algorithm], seed, X.iloc[train], y[train]).predict(X.iloc[test])
    return np.maximum(predicted, 0.0)


def _owners(X: pd.DataFrame) -> np.ndarray | None:
    """Whose row each is; None where every customer has one row."""
    return None if X.index.nlevels == 1 else X.index.get_level_values(-1).to_numpy()


def _folds(X: pd.DataFrame, strata: Any, seed: int) -> list[tuple[Any, Any]]:
    """Stratified folds, two where rows are many; a customer's rows stay together."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    folds, owners = FOLDS if len(X) <= MANY_ROWS else 2, _owners(X)
    if owners is None:
        return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(X, strata))
    return list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(X, strata, owners))


def parameters(model: LtvModel) -> dict[str, Any]:
    """The order model's parameters, for the card."""
    if model.orders is None:
        return {}
    when, spend = model.orders.when, model.orders.spend
    return {"bgnbd": {"r": when.r, "alpha_days": when.alpha, "a": when.a, "b": when.b,
                      "log_likelihood": when.log_likelihood},
            "gamma_gamma": {"p": spend.p, "q": spend.q, "v": spend.v}}


def spend_index(monetary: pd.Series, frequency: pd.Series) -> pd.Series:
    """The historical index monetary x ln(1 + frequency) [currency x 1]; an index of past spend, never a lifetime value.

    >>> spend_index(pd.Series([100.0]), pd.Series([0.0])).tolist()
    [0.0]
    """
    return monetary * np.log1p(frequency)
