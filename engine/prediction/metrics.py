"""How good probabilities are: each metric one function of labels and probabilities or flags.

Ranking (roc_auc, pr_auc, lift_at_10) asks who is above whom, calibration (ece, calibration_in_the_large) whether 20 %
means 20 %, log_loss and brier ask both. precision, recall, f1 and f2 judge the flags at a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

Metric = Callable[[np.ndarray, np.ndarray], float]

ECE_BINS = 15
TINY = 1e-15
NEXT_TO = 0.0005
DIGITS = 5


def roc_auc(y: np.ndarray, p: np.ndarray) -> float:
    """Chance that a leaver has a higher probability than a stayer, ties counted half [0..1].

    Source: Mann and Whitney (1947); Hanley and McNeil (1982), Radiology 143.

    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    order = np.argsort(p, kind="stable")
    ranks = _mean_ranks(p[order])
    positive = y[order] == 1
    n1 = int(positive.sum())
    n0 = len(y) - n1
    if n1 == 0 or n0 == 0:
        return float("nan")
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def _mean_ranks(ordered: np.ndarray) -> np.ndarray:
    """Ranks 1..n of values already in order, ties sharing their mean."""
    last = _last_of_ties(ordered)
    counts = np.diff(last, prepend=-1)
    return np.repeat(last + 1 - (counts - 1) / 2, counts)


def _last_of_ties(ordered: np.ndarray) -> np.ndarray:
    """Positions at which each run of equal values ends."""
    return np.r_[np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1]


def pr_auc(y: np.ndarray, p: np.ndarray) -> float:
    """Average precision: precision at each distinct probability, weighted by the recall it adds [0..1].

    >>> round(pr_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])), 4)
    0.8333
    """
    order = np.argsort(p, kind="stable")[::-1]
    ends = _last_of_ties(p[order])
    caught = np.cumsum(y[order])[ends]
    if caught[-1] == 0:
        return float("nan")
    return float(np.sum(caught / (ends + 1) * np.diff(caught, prepend=0)) / caught[-1])


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean negative log-likelihood [nats per customer]; .693 is a coin.

    >>> round(log_loss(np.array([0, 1]), np.array([0.5, 0.5])), 3)
    0.693
    """
    clipped = np.clip(p, TINY, 1 - TINY)
    return float(-np.mean(np.where(y == 1, np.log(clipped), np.log1p(-clipped))))


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Mean squared distance of probability and outcome [0..1].

    Source: Brier (1950), Monthly Weather Review 78.

    >>> brier(np.array([0, 1]), np.array([0.5, 0.5]))
    0.25
    """
    return float(np.mean((y - p) ** 2))


def ece(y: np.ndarray, p: np.ndarray) -> float:
    """Expected calibration error [0..1]: mean distance of observed rate and mean probability, 15 bins of equal width.

    Source: Naeini, Cooper and Hauskrecht (2015), AAAI. Never 0 on finite data: a perfect model shows about .012 on
    7,000 rows.

    >>> round(ece(np.array([0, 1, 1, 1]), np.array([0.5, 0.5, 0.9, 0.9])), 3)
    0.05
    """
    gaps = np.bincount(_bins(p), weights=y - p, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(p))


def _bins(p: np.ndarray) -> np.ndarray:
    """Each probability's bin of equal width."""
    return np.minimum((p * ECE_BINS).astype(int), ECE_BINS - 1)


def calibration_in_the_large(y: np.ndarray, p: np.ndarray) -> float:
    """Mean probability minus observed rate [-1..1]; positive cries wolf, negative sleeps.

    >>> calibration_in_the_large(np.array([0, 1]), np.array([0.5, 0.75]))
    0.125
    """
    return float(np.mean(p) - np.mean(y))


def lift_at_10(y: np.ndarray, p: np.ndarray) -> float:
    """Share of leavers among the tenth with the highest probability over the share among all; ties shared out evenly.

    >>> lift_at_10(np.array([1] + [0] * 9), np.linspace(1, 0, 10))
    10.0
    """
    top = max(1, round(len(y) / 10))
    edge = np.partition(p, -top)[-top]
    above, tied = p > edge, p == edge
    caught = y[above].sum() + (top - above.sum()) * y[tied].mean()
    return float(caught / top / np.mean(y)) if np.any(y) else float("nan")


def precision(y: np.ndarray, flagged: np.ndarray) -> float:
    """Share of leavers among the flagged [0..1]; 0 when none is flagged.

    >>> precision(np.array([1, 0, 1, 0]), np.array([True, True, False, False]))
    0.5
    """
    return _f(y, flagged, 0.0)


def recall(y: np.ndarray, flagged: np.ndarray) -> float:
    """Share of leavers who are flagged [0..1].

    >>> recall(np.array([1, 0, 1, 1]), np.array([True, True, True, False])).__round__(3)
    0.667
    """
    return float(np.sum(flagged & (y == 1)) / max(np.sum(y == 1), 1))


def f1(y: np.ndarray, flagged: np.ndarray) -> float:
    """Harmonic mean of precision and recall [0..1].

    >>> f1(np.array([1, 0, 1, 0]), np.array([True, True, False, False]))
    0.5
    """
    return _f(y, flagged, 1.0)


def f2(y: np.ndarray, flagged: np.ndarray) -> float:
    """F with recall twice as important as precision [0..1]; flagging everyone at a base rate b scores 5b / (4b + 1).

    Source: van Rijsbergen (1979), Information Retrieval.

    >>> round(f2(np.array([1, 0, 1, 0]), np.array([True, True, True, True])), 4)
    0.8333
    """
    return _f(y, flagged, 2.0)


def _f(y: np.ndarray, flagged: np.ndarray, beta: float) -> float:
    """(1 + beta^2) true positives / (beta^2 leavers + flagged); beta 0 is precision."""
    weight = beta**2
    below = weight * np.sum(y == 1) + np.sum(flagged)
    return float((1 + weight) * np.sum(flagged & (y == 1)) / below) if below else 0.0


def confusion(y: np.ndarray, flagged: np.ndarray) -> dict[str, int]:
    """Counts of customers by fate and flag.

    >>> confusion(np.array([1, 0, 1, 0]), np.array([True, True, False, False]))
    {'true_positive': 1, 'false_positive': 1, 'false_negative': 1, 'true_negative': 1}
    """
    left = y == 1
    return {
        "true_positive": int(np.sum(flagged & left)),
        "false_positive": int(np.sum(flagged & ~left)),
        "false_negative": int(np.sum(~flagged & left)),
        "true_negative": int(np.sum(~flagged & ~left)),
    }


RANKING: Mapping[str, Metric] = {"roc_auc": roc_auc, "pr_auc": pr_auc, "lift_at_10": lift_at_10}
PROBABILITY: Mapping[str, Metric] = {
    "log_loss": log_loss, "brier": brier, "ece": ece, "calibration_in_the_large": calibration_in_the_large,
}
FLAGS: Mapping[str, Metric] = {"precision": precision, "recall": recall, "f1": f1, "f2": f2}
METRICS: Mapping[str, Metric] = {**RANKING, **PROBABILITY, **FLAGS}
RANGES: Mapping[str, tuple[float, float]] = {
    "log_loss": (0.0, np.inf), "lift_at_10": (0.0, 10.0), "calibration_in_the_large": (-1.0, 1.0),
}


def measure(y: np.ndarray, p: np.ndarray, flagged: np.ndarray) -> dict[str, float]:
    """Every metric by name: ranking and probability metrics of `p`, the others of the flags.

    >>> measure(np.array([0, 1]), np.array([0.2, 0.9]), np.array([False, True]))["recall"]
    1.0
    """
    return {name: metric(y, flagged if name in FLAGS else p) for name, metric in METRICS.items()}


def reliability(y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """The reliability curve over the ECE's bins: mean probability, observed rate with 95 % Wilson interval, customers.

    >>> reliability(np.array([0, 1]), np.array([0.5, 0.5]))[["probability", "observed", "customers"]].values.tolist()
    [[0.5, 0.5, 2.0]]
    """
    rows = pd.DataFrame({"bin": _bins(p), "probability": p, "observed": y}).groupby("bin")
    curve = rows.mean()
    curve["customers"] = rows.size()
    curve["low"], curve["high"] = wilson(curve["observed"].to_numpy(), curve["customers"].to_numpy())
    return curve.reset_index(drop=True)


def wilson(share: np.ndarray, n: np.ndarray, z: float = 1.959964) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % interval of a share.

    Source: Wilson (1927), JASA 22.

    >>> [round(float(end), 3) for end in wilson(np.array(0.5), np.array(10))]
    [0.237, 0.763]
    """
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half


def curves(y: np.ndarray, p: np.ndarray, points: int = 101) -> dict[str, dict[str, list[float]]]:
    """ROC, precision-recall and lift curves at `points` shares of contacted customers, for drawing; ties shared out.

    >>> curves(np.array([0, 1]), np.array([0.2, 0.9]), points=3)["roc"]["recall"]
    [0.0, 1.0, 1.0]
    """
    order = np.argsort(-p, kind="stable")
    ends = _last_of_ties(p[order])
    contacted = np.unique(np.round(np.linspace(0, len(y), points)))
    hits = np.interp(contacted, np.r_[0, ends + 1], np.r_[0, np.cumsum(y[order])[ends]])
    hit_rate, exact = hits / hits[-1], hits[1:] / contacted[1:]
    false_alarms = (contacted - hits) / (len(y) - hits[-1])
    curve = {
        "roc": {"false_positive_rate": false_alarms, "recall": hit_rate},
        "pr": {"recall": hit_rate[1:], "precision": exact},
        "lift": {"contacted": contacted[1:] / len(y), "lift": exact / np.mean(y)},
    }
    return {name: {axis: values.round(DIGITS).tolist() for axis, values in axes.items()}
            for name, axes in curve.items()}


def by_threshold(y: np.ndarray, p: np.ndarray, line: float, points: int = 101) -> dict[str, Any]:
    """Customers flagged and leavers among them from each of at most `points` thresholds on, for a line that moves.

    The thresholds are 0, the line in use, and percentiles of the probabilities, rounded to tenths of a per cent, so
    that a step moves about as many customers everywhere.

    >>> told = by_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9]), line=0.6, points=3)
    >>> told["threshold"], told["flagged"], told["caught"]
    ([0.0, 0.1, 0.4, 0.6, 0.9], [4, 4, 2, 2, 1], [2, 2, 2, 2, 1])
    """
    rounded = np.round(np.quantile(p, np.linspace(0, 1, points)), 3)
    steps = np.unique(np.r_[0.0, rounded[np.abs(rounded - line) > NEXT_TO], line])
    flagged, caught = (len(some) - np.searchsorted(np.sort(some), steps) for some in (p, p[y == 1]))
    return {"threshold": steps.tolist(), "flagged": flagged.tolist(), "caught": caught.tolist(),
            "customers": len(y), "leavers": int(np.sum(y))}
