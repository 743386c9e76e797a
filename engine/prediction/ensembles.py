"""The learners: factories `make(seed)` of models with scikit-learn's own `fit` and `predict_proba`.

Churn files are small and noisy, so every default here is slow, regularised and no deeper than it must be: on 7,000
customers library defaults lose .012 to .027 of ROC-AUC to these. Learners that cannot take categories or gaps get them
encoded inside their own pipeline, which is fitted with them, inside the fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from scipy.special import expit

from engine.prediction.boosting import THREADS, Boosting, reproducible, seeing_enough
from engine.prediction.metrics import log_loss
from engine.prediction.treeshap import raw_scores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ROWS_AT_ONCE = 100_000
FORBIDDEN_IN_NAMES = '",:[]{}'


class Learner(Protocol):
    """What every learner promises: `fit` hands back a classifier."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Any: ...


class Classifier(Learner, Protocol):
    """A learner that is the classifier itself."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray: ...


Make = Callable[[int], Learner]


def lightgbm(seed: int) -> Learner:
    """Gradient boosting of trees as large as held-out rows ask for; takes categories and gaps."""
    return Boosting(seed)


def lightgbm_library_default(seed: int) -> Classifier:
    """LightGBM as the library ships it; overfits files of this size, kept for comparison."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(**reproducible(seed))


def logistic(seed: int) -> Classifier:
    """Ridge logistic regression on one-hot categories and scaled numbers."""
    from sklearn.linear_model import LogisticRegression

    return tabular(LogisticRegression(C=0.1, solver="newton-cholesky", random_state=seed), scaled=True)


def spline_logistic(seed: int) -> Classifier:
    """Ridge logistic regression on one-hot categories and cubic splines of the numbers: smooth, additive."""
    from sklearn.linear_model import LogisticRegression

    return tabular(LogisticRegression(C=0.1, solver="newton-cholesky", random_state=seed), splines=True)


def random_forest(seed: int) -> Classifier:
    """Random forest with leaves of at least 20 customers."""
    from sklearn.ensemble import RandomForestClassifier

    return tabular(RandomForestClassifier(
        60, min_samples_leaf=20, max_features=0.25, n_jobs=THREADS, random_state=seed))


def extra_trees(seed: int) -> Classifier:
    """Extremely randomised trees with leaves of at least 10 customers."""
    from sklearn.ensemble import ExtraTreesClassifier

    return tabular(ExtraTreesClassifier(
        100, min_samples_leaf=10, max_features=0.5, n_jobs=THREADS, random_state=seed))


def gradient_boosting(seed: int) -> Classifier:
    """scikit-learn's stochastic gradient boosting, depth 2."""
    from sklearn.ensemble import GradientBoostingClassifier

    return tabular(GradientBoostingClassifier(
        n_estimators=200, learning_rate=0.07, max_depth=2, subsample=0.6, min_samples_leaf=30, max_features=0.3,
        random_state=seed))


def hist_boosting(seed: int) -> Classifier:
    """scikit-learn's histogram gradient boosting with four leaves."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    known = ColumnTransformer([("known", "passthrough", _known)], verbose_feature_names_out=False)
    return Pipeline([("known", known.set_output(transform="pandas")), ("model", HistGradientBoostingClassifier(
        max_iter=250, learning_rate=0.05, max_leaf_nodes=4, min_samples_leaf=40, l2_regularization=5.0,
        max_features=0.4, early_stopping=False, categorical_features="from_dtype", random_state=seed))])


def _known(X: pd.DataFrame) -> list[str]:
    """The columns with any known value; binning cannot take the others."""
    return [str(name) for name in X if X[name].notna().any()]


def xgboost(seed: int) -> Classifier:
    """XGBoost with trees of depth 2."""
    from xgboost import XGBClassifier

    return tabular(XGBClassifier(
        n_estimators=600, max_depth=2, learning_rate=0.03, min_child_weight=10, reg_lambda=5.0, subsample=0.7,
        colsample_bynode=0.15, tree_method="hist", n_jobs=THREADS, random_state=seed))


def neural_network(seed: int) -> Classifier:
    """One hidden layer of 16 units, strong weight decay, early stopping."""
    from sklearn.neural_network import MLPClassifier

    return tabular(MLPClassifier(
        (16,), alpha=1.0, learning_rate_init=0.003, batch_size=128, max_iter=60, early_stopping=True,
        n_iter_no_change=5, random_state=seed), scaled=True)


def vote(seed: int) -> Classifier:
    """XGBoost .7, random forest .2, logistic regression .1: the weighted mean of their probabilities."""
    return Blend((xgboost(seed), random_forest(seed + 1), logistic(seed + 2)), weights=(0.7, 0.2, 0.1))


def ensemble(seed: int) -> Classifier:
    """Gradient boosting, random forest and a neural network, weighted to the least log loss on held-out folds."""
    return Blend((gradient_boosting(seed), random_forest(seed + 1), neural_network(seed + 2)), seed=seed)


def smooth_blend(seed: int) -> Classifier:
    """Equal parts of spline logistic regression, XGBoost and histogram boosting: the peer of the benchmark."""
    return Blend((spline_logistic(seed), xgboost(seed + 1), hist_boosting(seed + 2)), weights=(1 / 3, 1 / 3, 1 / 3))


def tabular(model: Any, *, scaled: bool = False, splines: bool = False) -> Pipeline:
    """The model behind its own encoder: categories one-hot, gaps at the median with a flag, numbers scaled or splined.

    >>> from sklearn.linear_model import LogisticRegression
    >>> X = pd.DataFrame({"plan": pd.Categorical(["a", "b", None, "a"]), "months": [1.0, np.nan, 3.0, 9.0]})
    >>> tabular(LogisticRegression()).fit(X, [0, 1, 1, 0]).predict_proba(X).shape
    (4, 2)
    """
    from sklearn.compose import ColumnTransformer, make_column_selector
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    category, number = make_column_selector(dtype_include="category"), make_column_selector(dtype_exclude="category")
    encode = ColumnTransformer([
        ("category", OneHotEncoder(handle_unknown="ignore", sparse_output=False), category),
        ("number", _numbers(scaled, splines), number),
    ])
    return Pipeline([("encode", encode), ("model", model)])


def _numbers(scaled: bool, splines: bool) -> Pipeline:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    steps: list[Any] = [SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)]
    if splines:
        steps.append(SplineTransformer(n_knots=6, knots="quantile", extrapolation="linear"))
    return make_pipeline(*steps, *([StandardScaler()] if scaled or splines else []))


@dataclass
class Blend:
    """Weighted mean of the members' probabilities; without weights they are learned on held-out folds.

    >>> X, y = pd.DataFrame({"x": [0.0, 1.0] * 20}), np.array([0, 1] * 20)
    >>> model = Blend((logistic(0), spline_logistic(1)), seed=0).fit(X, y)
    >>> bool(model.predict_proba(X)[1, 1] > 0.5 and abs(sum(model.learned) - 1) < 1e-6)
    True
    """

    members: Sequence[Any]
    weights: tuple[float, ...] | None = None
    seed: int = 0
    folds: int = 3
    fitted: tuple[Any, ...] = field(default=(), repr=False)
    learned: tuple[float, ...] = ()

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """What a fresh copy needs, in scikit-learn's way."""
        return {"members": self.members, "weights": self.weights, "seed": self.seed, "folds": self.folds}

    def fit(self, X: pd.DataFrame, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Blend:
        """Learn the weights if none were given, then fit every member on all rows."""
        from sklearn.base import clone

        self.learned = self.weights or self._learn_weights(X, y, sample_weight)
        self.fitted = tuple(fit(clone(member), X, y, sample_weight) for member in self.members)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities of staying and of leaving, one row per customer."""
        p = sum(weight * probability(model, X) for weight, model in zip(self.learned, self.fitted, strict=True))
        return np.column_stack([1 - p, p])

    def _learn_weights(self, X: pd.DataFrame, y: np.ndarray, sample_weight: np.ndarray | None) -> tuple[float, ...]:
        from sklearn.base import clone
        from sklearn.model_selection import StratifiedKFold

        held_out = np.empty((len(y), len(self.members)))
        for train, test in StratifiedKFold(self.folds, shuffle=True, random_state=self.seed).split(X, y):
            weight = None if sample_weight is None else sample_weight[train]
            for column, member in enumerate(self.members):
                model = fit(clone(member), X.iloc[train], y[train], weight)
                held_out[test, column] = probability(model, X.iloc[test])
        return best_weights(held_out, y)


def best_weights(held_out: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
    """Weights >= 0 that sum to 1 and give the mixture of held-out probabilities [rows x members] the least log loss.

    >>> y = np.array([0, 1] * 50)
    >>> [round(weight, 2) for weight in best_weights(np.column_stack([y * 0.8 + 0.1, np.full(100, 0.5)]), y)]
    [1.0, 0.0]
    """
    from scipy.optimize import minimize

    members = held_out.shape[1]
    found = minimize(lambda weights: log_loss(y, held_out @ weights), np.full(members, 1 / members), method="SLSQP",
                     bounds=[(0, 1)] * members, constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1})
    weights = np.clip(found.x, 0, 1)
    return tuple((weights / weights.sum()).tolist())


def fit(model: Any, X: pd.DataFrame, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Any:
    """The model fitted, the weights handed to the step that takes them."""
    model = seeing_enough(model, X.shape[1])
    if sample_weight is None:
        return model.fit(X, y)
    name = "model__sample_weight" if hasattr(model, "steps") else "sample_weight"
    return model.fit(X, y, **{name: sample_weight})


def as_learned(make: Make, model: Any) -> Make:
    """The factory of models of the size that this one came to, where the factory's models choose theirs: rows drawn
    twice would stand on both sides of such a choice and speak for large trees."""
    from sklearn.base import clone

    return (lambda _seed: clone(model)) if isinstance(make(0), Boosting) else make


def probability(model: Any, X: pd.DataFrame) -> np.ndarray:
    """The model's probability of leaving, one per row [0..1]; encoders see so many rows at once as memory is worth."""
    if is_boosted(model):
        return np.asarray(expit(raw_scores(model.booster_, X)))
    parts = [X.iloc[start:start + ROWS_AT_ONCE] for start in range(0, len(X), ROWS_AT_ONCE)]
    return np.concatenate([np.empty(0), *(np.asarray(model.predict_proba(part)[:, 1], dtype=float) for part in parts)])


def is_boosted(model: Any) -> bool:
    """Whether the model is a single LightGBM model, whose own contributions explain it."""
    return hasattr(model, "booster_")
