"""Our way through the shop snapshot, stage by stage: features, churn, spend index, comparison, segments.

    python -m benchmarks.shop_stages SOURCE TARGET      figures as JSON, every customer's segment as CSV beside it

Savings, none of them in the figures: features need no more than NumPy, so pandas is first loaded by the libraries that
learn; a model fitted on the split once is not fitted again for the comparison; boosting stops where a fifth of its own
training rows says so; and the index is learned as money per ln(1 + orders), so that small forests suffice for what the
formula already says. The peer scores the rows it learned from, with models that know them by heart; so its segments are
only met by models as deep as its own. They are fitted besides ours, a stage of their own, for nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

SPLIT_SEED, FOLDS, THRESHOLD = 42, 5, 0.30
BEHAVIOUR = ["Frequency", "Avg_Order_Value", "Session_Count", "Avg_Session_Duration", "Pages_Viewed", "Clicks",
             "Campaign_Response", "Wishlist_Adds", "Cart_Abandon_Rate", "Returns"]
ENOUGH_TREES, PATIENCE, LEARNING_RATE, ASIDE = 300, 20, 0.1, 0.2
Options = dict[str, Any]
Columns = Mapping[str, np.ndarray]
QUIET: Options = {"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True, "random_state": 0}
FOREST: Options = QUIET | {
    "boosting_type": "rf", "n_estimators": 100, "num_leaves": 127, "min_child_samples": 6, "subsample": 0.63,
    "subsample_freq": 1, "feature_fraction_bynode": 0.4,
}
DEEP: Options = FOREST | {"num_leaves": 1000, "min_child_samples": 4, "feature_fraction_bynode": 0.7, "max_depth": 15}
BOOSTING: Options = QUIET | {
    "n_estimators": 60, "num_leaves": 31, "learning_rate": 0.08, "min_child_samples": 5, "subsample": 0.6,
    "subsample_freq": 1, "feature_fraction_bynode": 0.5, "reg_lambda": 20.0,
}
XGB_FOREST: Options = {
    "n_estimators": 60, "max_depth": 8, "subsample": 0.63, "colsample_bynode": 0.4, "n_jobs": 1, "random_state": 0,
}


class PerOrders:
    """A regressor of money per ln(1 + orders), weighted so that its squared error is that of the index itself."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def fit(self, X: pd.DataFrame, index: np.ndarray) -> PerOrders:
        """Learn from customers with at least one order."""
        scale = np.log1p(X.Frequency.to_numpy())
        bought = scale > 0
        self.part.fit(X[bought], index[bought] / scale[bought], sample_weight=scale[bought] ** 2)
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Monetary x ln(1 + Frequency), expected."""
        return np.asarray(self.part.predict(X)) * np.log1p(X.Frequency.to_numpy())


def main(source: Path, target: Path) -> None:
    """Run all stages and write what they found."""
    stages: dict[str, float] = {}
    with timed("features", stages, since_start=True):
        ids, shop, made = features(source)
    with timed("churn", stages):
        X, left = frame({name: shop[name] for name in BEHAVIOUR}), (shop["Recency"] > 90).astype(int)
        churn, told_churn = churn_stage(X, left)
    with timed("ltv", stages):
        worth, told_worth = index_stage(X, made["index"])
    with timed("comparison", stages):
        compared = {"churn": {"LightGBM": told_churn["f1"], **other_churn(X, left)},
                    "ltv": {"RandomForest": told_worth["r2"], **other_index(X, made["index"])}}
    with timed("segments", stages):
        p, value = churn.predict_proba(X)[:, 1], worth.predict(X)
        placed = {"peer": place(shop, p, value, "peer"), "ours": place(shop, p, value, "holdfast")}
    with timed("as deep as the peer", stages):
        more = X.assign(clicks_per_page=made["clicks_per_page"], orders_per_wish=made["orders_per_wish"])
        p_by_heart = split_f1(library_default, more, left)[0].predict_proba(more)[:, 1]
        placed["by_heart"] = place(shop, p_by_heart, deep_forest(more, made["index"]), "peer")
    frame(placed, ids).to_csv(target.with_suffix(".csv"))
    told = {**told_churn, **told_worth, "comparison": compared, "stages": stages}
    target.write_text(json.dumps(told), encoding="utf-8")


def features(source: Path) -> tuple[list[str], Columns, Columns]:
    """The customers' ids, the file's numbers by column, and what is made of them: the index and two ratios."""
    numbers = (*BEHAVIOUR, "Recency", "Monetary")
    with source.open(encoding="utf-8") as file:
        names = file.readline().rstrip("\n").split(",")
        read = np.loadtxt(file, delimiter=",", usecols=[names.index(name) for name in ("Customer_ID", *numbers)],
                          dtype=[("Customer_ID", "U32"), *((name, float) for name in numbers)])
    shop = {name: np.ascontiguousarray(read[name]) for name in numbers}
    return read["Customer_ID"].tolist(), shop, {
        "index": shop["Monetary"] * np.log1p(shop["Frequency"]),
        "clicks_per_page": shop["Clicks"] / (shop["Pages_Viewed"] + 1),
        "orders_per_wish": shop["Frequency"] / (shop["Wishlist_Adds"] + 1),
    }


def frame(columns: Columns, ids: list[str] | None = None) -> pd.DataFrame:
    """The columns as a frame, under the customers' ids where they are given."""
    import pandas as pd

    return pd.DataFrame(dict(columns), index=None if ids is None else pd.Index(ids, name="Customer_ID"))


@contextmanager
def timed(stage: str, stages: dict[str, float], since_start: bool = False) -> Iterator[None]:
    """CPU seconds of the block; the first one also carries the start of the process."""
    before = 0.0 if since_start else time.process_time()
    yield
    stages[stage] = time.process_time() - before


def churn_stage(X: pd.DataFrame, left: np.ndarray) -> tuple[Any, dict[str, float]]:
    """Our boosted trees: fitted on the split, judged on its test part and by five folds."""
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SPLIT_SEED).split(X, left)
    f1 = [f1_score(left[test], flagged(Boosted(0).fit(X.iloc[train], left[train]), X.iloc[test]))
          for train, test in folds]
    model, score = split_f1(Boosted, X, left)
    return model, {"cv_f1": float(np.mean(f1)), "f1": score}


class Boosted:
    """Our default churn model at a faster pace. Whether its trees cut at random or where it pays most, and how many
    they are, is chosen by the log loss of a fifth of the rows it is given to learn from.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.model: Any = None

    def fit(self, X: pd.DataFrame, left: np.ndarray) -> Boosted:
        """Learn both ways from four fifths of the rows, and keep the one that the last fifth prefers."""
        from sklearn.model_selection import train_test_split

        rest, aside = train_test_split(np.arange(len(left)), test_size=ASIDE, random_state=self.seed, stratify=left)
        both = [self._stopped(at_random, X.iloc[rest], left[rest], X.iloc[aside], left[aside])
                for at_random in (False, True)]
        self.model = min(both, key=lambda model: model.best_score_["valid_0"]["binary_logloss"])
        return self

    def _stopped(self, at_random: bool, X: pd.DataFrame, left: np.ndarray, aside: pd.DataFrame, y: np.ndarray) -> Any:
        from lightgbm import early_stopping

        from engine.prediction.ensembles import lightgbm

        model: Any = lightgbm(self.seed)
        model.set_params(n_estimators=ENOUGH_TREES, learning_rate=LEARNING_RATE, extra_trees=at_random)
        return model.fit(X, left, eval_X=aside, eval_y=y, eval_metric="binary_logloss",
                         callbacks=[early_stopping(PATIENCE, verbose=False)])

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities of staying and of leaving, one row per customer."""
        return np.asarray(self.model.predict_proba(X))


def split_f1(make: Callable[[int], Any], X: pd.DataFrame, left: np.ndarray) -> tuple[Any, float]:
    """The model fitted on four fifths, and F1 on the rest."""
    from sklearn.metrics import f1_score
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(left)), test_size=0.2, random_state=SPLIT_SEED, stratify=left)
    model = make(0).fit(X.iloc[train], left[train])
    return model, float(f1_score(left[test], flagged(model, X.iloc[test])))


def flagged(model: Any, X: pd.DataFrame) -> np.ndarray:
    """Who is called a leaver."""
    return np.asarray(model.predict_proba(X)[:, 1] >= THRESHOLD)


def other_churn(X: pd.DataFrame, left: np.ndarray) -> dict[str, float]:
    """F1 of the two other algorithms."""
    from engine.prediction.ensembles import random_forest, xgboost

    return {"RandomForest": split_f1(random_forest, X, left)[1], "XGBoost": split_f1(xgboost, X, left)[1]}


def index_stage(X: pd.DataFrame, index: np.ndarray) -> tuple[PerOrders, dict[str, float]]:
    """A random forest of the index: fitted on the split, judged on its test part and by five folds."""
    from lightgbm import LGBMRegressor
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold

    folds = KFold(FOLDS, shuffle=True, random_state=SPLIT_SEED).split(X)
    r2 = [r2_score(index[test], PerOrders(LGBMRegressor(**FOREST)).fit(X.iloc[train], index[train])
                   .predict(X.iloc[test])) for train, test in folds]
    model, score = split_r2(LGBMRegressor(**FOREST), X, index)
    return model, {"cv_r2": float(np.mean(r2)), "r2": score}


def split_r2(part: Any, X: pd.DataFrame, index: np.ndarray) -> tuple[PerOrders, float]:
    """The model fitted on four fifths, and R2 on the rest."""
    from sklearn.metrics import r2_score
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(len(index)), test_size=0.2, random_state=SPLIT_SEED)
    model = PerOrders(part).fit(X.iloc[train], index[train])
    return model, float(r2_score(index[test], model.predict(X.iloc[test])))


def other_index(X: pd.DataFrame, index: np.ndarray) -> dict[str, float]:
    """R2 of the two other algorithms."""
    from lightgbm import LGBMRegressor
    from xgboost import XGBRFRegressor

    return {"XGBoost": split_r2(XGBRFRegressor(**XGB_FOREST), X, index)[1],
            "LightGBM": split_r2(LGBMRegressor(**BOOSTING), X, index)[1]}


def library_default(seed: int) -> Any:
    """LightGBM as the library ships it, classes weighted evenly."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(class_weight="balanced", **QUIET | {"random_state": seed})


def deep_forest(X: pd.DataFrame, index: np.ndarray) -> np.ndarray:
    """The index of every customer by a forest of nearly full-grown trees fitted on the split."""
    from lightgbm import LGBMRegressor
    from sklearn.model_selection import train_test_split

    train, _ = train_test_split(np.arange(len(index)), test_size=0.2, random_state=SPLIT_SEED)
    return np.asarray(LGBMRegressor(**DEEP).fit(X.iloc[train], index[train]).predict(X))


def place(shop: Columns, p: np.ndarray, worth: np.ndarray, definitions: Literal["holdfast", "peer"]) -> np.ndarray:
    """Each customer's segment by the definitions."""
    from engine.prediction.segments import SegmentCuts, segments

    recency, cart = shop["Recency"], shop["Cart_Abandon_Rate"]
    cuts = SegmentCuts.learn(p, worth, recency, cart, definitions=definitions)
    return segments(p, worth, recency, cart, cuts=cuts).segment.astype(str).to_numpy()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
