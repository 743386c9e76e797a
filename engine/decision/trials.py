"""What was tried by chance: those offered something beside those kept without, per treatment and segment.

Each side's share of leavers is beta-binomial: with x of n leaving and Jeffreys' prior it is Beta(x + 1/2, n - x + 1/2),
whose logarithm has mean psi(x + 1/2) - psi(n + 1) and variance psi'(x + 1/2) - psi'(n + 1), finite with no leaver too.
Customers drawn with unequal chances count 1 / propensity each, and n is the effective number (sum w)^2 / sum w^2 (Kish
1965). The log of the ratio of both shares is what `effects` learns from: a share kept is 1 - ratio, negative where an
offer drove people away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.schema import NOTHING_DONE

ANY_SEGMENT = ""
COLUMNS = ("source", "treatment", "segment", "treated", "treated_left", "control", "control_left", "customers")


@dataclass(frozen=True)
class Trials:
    """Comparisons by chance.

    cells: COLUMNS, one row per source (past offers, or a campaign's id), treatment and segment ("" = not told apart):
    effective numbers of both sides and of those who left, and the customers behind them. together: how far each two
    rows rest on the same control customers: 1 on the diagonal, 0 where they share nobody.
    """

    cells: pd.DataFrame
    together: np.ndarray

    @staticmethod
    def none() -> Trials:
        """Nothing was tried."""
        return Trials(pd.DataFrame({name: [] for name in COLUMNS}), np.zeros((0, 0)))

    def __add__(self, other: Trials) -> Trials:
        mine, theirs = len(self.cells), len(other.cells)
        both = np.zeros((mine + theirs, mine + theirs))
        both[:mine, :mine], both[mine:, mine:] = self.together, other.together
        frames = [frame for frame in (self.cells, other.cells) if len(frame)]
        return Trials(pd.concat(frames, ignore_index=True) if frames else self.cells, both)

    def of(self, treatments: Iterable[str]) -> Trials:
        """Those of these treatments alone."""
        mine = self.cells["treatment"].isin(list(treatments)).to_numpy()
        return Trials(self.cells[mine].reset_index(drop=True), self.together[np.ix_(mine, mine)])

    def log_ratio(self) -> tuple[np.ndarray, np.ndarray]:
        """The logarithm of treated over untreated share of leavers per row, and the covariance of its errors.

        >>> one = Trials(pd.DataFrame([["x", "call", "", 1000, 240, 1000, 300, 2000]], columns=COLUMNS), np.eye(1))
        >>> value, variance = one.log_ratio()
        >>> bool(abs(value[0] - np.log(0.24 / 0.30)) < 1e-3), round(float(variance[0, 0]), 4)
        (True, 0.0055)
        """
        treated, control = (self._log_share(name) for name in ("treated", "control"))
        shared = np.sqrt(np.outer(control[1], control[1])) * self.together
        return treated[0] - control[0], shared + np.diag(treated[1])

    def _log_share(self, side: str) -> tuple[np.ndarray, np.ndarray]:
        from scipy.special import digamma, polygamma

        left, all_ = (self.cells[name].to_numpy(dtype=float) for name in (f"{side}_left", side))
        return digamma(left + 0.5) - digamma(all_ + 1), polygamma(1, left + 0.5) - polygamma(1, all_ + 1)


def of_offers(offers: pd.DataFrame, fits: Mapping[str, np.ndarray], source: str = "past offers") -> Trials:
    """What past offers show, each treatment beside those who got none and could have been given it.

    Args:
        offers: treatment ("none" = kept without), segment, churned (0, 1), propensity of the treatment given.
        fits: per treatment who could be offered it; a treatment that is not named could be offered to everybody.

    Rows without an outcome, or whose propensity is unknown, 0 or 1, say nothing.
    """
    known = (offers["churned"].notna() & offers["propensity"].gt(0) & offers["propensity"].lt(1)).to_numpy()
    rows = offers[known].reset_index(drop=True)
    names = [name for name in dict.fromkeys(rows["treatment"]) if name != NOTHING_DONE]
    able = {name: np.asarray(fits[name])[known] if name in fits else np.ones(len(rows), dtype=bool) for name in names}
    found = [_of_segment(rows, able, segment, source) for segment in sorted(rows["segment"].unique())]
    return sum(found, Trials.none())


def _of_segment(rows: pd.DataFrame, able: Mapping[str, np.ndarray], segment: str, source: str) -> Trials:
    weight, left = 1 / rows["propensity"].to_numpy(float), rows["churned"].to_numpy(float)
    mine, treatment = (rows["segment"] == segment).to_numpy(), rows["treatment"].to_numpy()
    sides = {name: (mine & fits & (treatment == name), mine & fits & (treatment == NOTHING_DONE))
             for name, fits in able.items()}
    sides = {name: (treated, control) for name, (treated, control) in sides.items() if treated.any() and control.any()}
    cells = [[source, name, segment, *_effective(weight, left, treated), *_effective(weight, left, control),
              int(treated.sum() + control.sum())] for name, (treated, control) in sides.items()]
    if not cells:
        return Trials.none()
    controls = np.array([np.where(control, weight, 0.0) for _, control in sides.values()])
    norm = np.sqrt((controls**2).sum(axis=1))
    return Trials(pd.DataFrame(cells, columns=list(COLUMNS)), controls @ controls.T / np.outer(norm, norm))


def _effective(weight: np.ndarray, left: np.ndarray, side: np.ndarray) -> tuple[float, float]:
    """The effective number of customers on one side, and of those who left."""
    total = weight[side].sum()
    number = total**2 / (weight[side] ** 2).sum()
    return float(number), float(number * (weight[side] * left[side]).sum() / total)


def of_campaign(rows: pd.DataFrame, source: str) -> Trials:
    """What a campaign with a holdout shows: per planned treatment and segment, those contacted beside those held out.

    rows: treatment (as planned, for the holdout too), segment, holdout (0, 1), stayed (0, 1; missing = not known yet).
    """
    known = rows[rows["stayed"].notna() & (rows["treatment"] != NOTHING_DONE)]
    left = 1 - known["stayed"].astype(float)
    cells = []
    for (treatment, segment), mine in known.assign(left=left).groupby(["treatment", "segment"]):
        treated, control = (mine.loc[mine["holdout"] == side, "left"] for side in (0, 1))
        if len(treated) and len(control):
            cells.append([source, treatment, segment, float(len(treated)), float(treated.sum()), float(len(control)),
                          float(control.sum()), len(mine)])
    return Trials(pd.DataFrame(cells, columns=list(COLUMNS)), np.eye(len(cells)))
