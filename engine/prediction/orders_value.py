"""What customers who order without a contract will bring: BG/NBD's orders times Gamma-Gamma's value, discounted.

To leave means here what the label says: no order within the window. A silent window is itself a history, the same
frequency and recency at a greater age, so the case "leaves" is the model's value of that history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.errors import EngineError
from engine.prediction.bgnbd import BgNbd, GammaGamma, fit_bgnbd, fit_gamma_gamma
from engine.prediction.money import DAYS_PER_MONTH, NEVER, Floats, Split, monthly_force

NEEDED = ("frequency", "recency_days", "T_days", "monetary_value")
NODES = 12


@dataclass(frozen=True)
class OrderModel:
    """When orders come (days) and what one is worth (currency of margin, after margin_rate)."""

    when: BgNbd
    spend: GammaGamma
    margin_rate: float

    def value_per_order(self, purchases: pd.DataFrame) -> Floats:
        """Expected margin of an order [currency], from all purchase days where their mean is known."""
        count, mean = _spend(purchases)
        return self.spend.expected_value(count, mean) * self.margin_rate

    def split(self, purchases: pd.DataFrame, window_days: float, horizon_days: float, annual_discount: float) -> Split:
        """Discounted margin and months as a customer, if an order comes within the window and if none does.

        V(stays) = (V - q V(silent)) / (1 - q), q = BG/NBD's chance of no order within the window.
        """
        x, tx, age = _three(purchases)
        window = min(window_days, horizon_days)
        force = monthly_force(annual_discount) / DAYS_PER_MONTH
        q = np.clip(self.when.no_order(window, x, tx, age), NEVER, 1 - NEVER)
        alive, later = self.when.p_alive(x, tx, age), self.when.p_alive(x, tx, age + window)
        orders, months = self._ahead(x, age, horizon_days, force)
        silent, quiet = self._ahead(x, age + window, horizon_days - window, force)
        if_leaves = later * silent * np.exp(-force * window)
        months_if_leaves = later * (window / DAYS_PER_MONTH + quiet)
        longest = horizon_days / DAYS_PER_MONTH
        value = self.value_per_order(purchases)
        return Split(
            if_stays=np.maximum(alive * orders - q * if_leaves, 0) / (1 - q) * value,
            if_leaves=if_leaves * value,
            months_if_stays=np.clip((alive * months - q * months_if_leaves) / (1 - q), 0, longest),
            months_if_leaves=np.minimum(months_if_leaves, longest),
        )

    def _ahead(self, x: Floats, age: Floats, days: float, force: float) -> tuple[Floats, Floats]:
        """Discounted orders and undiscounted months over so many days, given alive now.

        Gauss-Legendre in ln(1 + t / (alpha + T)), along which the falling rate is smooth.
        """
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        scale = (self.when.alpha + age)[:, None]
        reach = np.log1p(days / scale)
        u = reach * (nodes[None, :] + 1) / 2
        t, width = scale * np.expm1(u), scale * np.exp(u) * reach / 2 * weights[None, :]
        x, age = x[:, None], age[:, None]
        orders = self.when.order_rate(t, x, age) * np.exp(-force * t) * width
        return orders.sum(axis=1), (self.when.stays_alive(t, x, age) * width).sum(axis=1) / DAYS_PER_MONTH

    def rhythm(self, purchases: pd.DataFrame, window_days: float, churn_probability: Floats) -> pd.DataFrame:
        """p_alive, expected_orders within the window (in step with the churn probability), next_order_in_days.

        next_order_in_days: half of such customers who still buy order sooner.
        """
        x, tx, age = _three(purchases)
        some = np.maximum(1 - self.when.no_order(window_days, x, tx, age), NEVER)
        orders = self.when.expected_orders(window_days, x, tx, age) / some
        columns = {"p_alive": self.when.p_alive(x, tx, age),
                   "expected_orders": np.maximum(orders, 1.0) * (1 - churn_probability),
                   "next_order_in_days": self.when.median_wait(x, age)}
        return pd.DataFrame(columns, index=purchases.index)


def fit_orders(purchases: pd.DataFrame, margin_rate: float) -> OrderModel:
    """BG/NBD and Gamma-Gamma of highest likelihood; purchases: see engine.prediction.purchases."""
    missing = [name for name in NEEDED if name not in purchases]
    if missing:
        raise EngineError(f"The purchases lack the columns {', '.join(missing)}. Compute them from the orders first.")
    return OrderModel(fit_bgnbd(*_three(purchases)), fit_gamma_gamma(*_spend(purchases)), margin_rate)


def _three(purchases: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    x, tx, age = (purchases[name].to_numpy(float) for name in NEEDED[:3])
    return x, tx, age


def _spend(purchases: pd.DataFrame) -> tuple[Floats, Floats]:
    """How many order values are known, and their mean: all days if known, else the repeat days only."""
    x = purchases["frequency"].to_numpy(float)
    if "order_value" in purchases:
        return x + 1, purchases["order_value"].to_numpy(float)
    return x, purchases["monetary_value"].to_numpy(float)
