"""A model's card for readers: what its columns, metrics and settings are called, its limits, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from engine.data.names import titled
from engine.insight.trust import part
from engine.schema import Column, Estimate, Finding, ModelCard, money, plural, share

SUBJECTS = {"model": "Model", "rule": "One-column rule", "random": "Chance"}
METRICS = {
    "roc_auc": ("Ranking (ROC-AUC)", "a leaver stands above a stayer; 1 always, 0.5 a coin"),
    "pr_auc": ("Ranking of leavers (PR-AUC)", "mean precision while going down the list; more is better"),
    "lift_at_10": ("Lift in the top 10 %", "leavers in the riskiest tenth beside the average; more is better"),
    "log_loss": ("Log loss", "surprise per customer; less is better"),
    "brier": ("Squared error (Brier)", "squared distance of probability and outcome; less is better"),
    "ece": ("Calibration error (ECE)", "distance of probability and observed share; less is better"),
    "calibration_in_the_large": ("Level", "mean probability less observed share; 0 is best"),
    "precision": ("Precision", "share of the flagged who left; more is better"),
    "recall": ("Recall", "share of the leavers who were flagged; more is better"),
    "f1": ("F1", "precision and recall alike; more is better"),
    "f2": ("F2", "recall counts twice; more is better"),
}
VALUE_METRICS = {
    "gini": ("Ranking by value (Gini)", "1 is the perfect order, 0 none", "plain"),
    "spearman": ("Rank correlation", "1 is the same order, 0 none", "plain"),
    "r2": ("Variance explained (R2)", "1 is all, 0 none", "plain"),
    "rmse": ("Typical error (RMSE)", "large misses weigh more; less is better", "money"),
    "mae": ("Mean error (MAE)", "mean distance; less is better", "money"),
    "total_error": ("Error of the total", "predicted total beside the actual; 0 is best", "share"),
    "level_error": ("Error of the level", "total at earlier moments beside what came since; 0 is best", "share"),
    "decile_error": ("Error by decile", "mean distance of the deciles' means; less is better", "share"),
    "concordance": ("Order of leaving (concordance)", "1 is the perfect order, 0.5 a coin", "plain"),
    "first_year_error": ("First-year survival, by decile", "mean distance of the tenths; less is better", "points"),
}
ALGORITHMS = {
    "lightgbm": "LightGBM", "lightgbm_orders": "LightGBM for orders", "lightgbm_temporal": "LightGBM over time",
    "vote": "vote of boosting, forest and XGBoost", "ensemble": "ensemble",
    "logistic_regression": "logistic regression", "random_forest": "random forest", "extra_trees": "extra trees",
    "hist_boosting": "histogram boosting", "xgboost": "XGBoost", "survival": "margin x survival curve",
    "bgnbd": "BG/NBD and Gamma-Gamma", "two_part": "two-part regression", "tweedie": "Tweedie regression",
    "two_part_tweedie": "two-part and Tweedie regression",
}
RULES = {"f2": "the highest F2", "cost": "the least cost", "capacity": "what can be contacted"}
CURES = {"none": "none", "class_weight": "class weights", "smote": "SMOTE within the folds"}


def algorithm_words(name: str) -> str:
    """The algorithm's name as people write it.

    >>> algorithm_words("hist_boosting")
    'histogram boosting'
    """
    return ALGORITHMS.get(name, name.replace("_", " "))


def column_of(card: ModelCard, name: str, currency: str = "") -> Column:
    """What a feature means, money in that currency; for a card that keeps no meanings, its name as a title."""
    told = part(card, "columns", name)
    if not told:
        return Column(name, "number", "", "")
    column = Column(name, told["kind"], told["unit"], told["meaning"], label=told["title"])
    return column.in_currency(currency or "currency")


def title_of(card: ModelCard, name: str) -> str:
    """A feature's name as a person reads it."""
    return column_of(card, name).title


def titles_of(card: ModelCard) -> dict[str, str]:
    """By the name under which a column is kept, its own title, of those in quarantine too."""
    return {name: told["title"] for name, told in card.detail.get("columns", {}).items()}


def in_own_words(card: ModelCard, finding: Finding) -> Finding:
    """The finding with the columns' own titles, as a person reads it; under which name a column is to be overruled
    stays said."""
    titles = titles_of(card)
    fix = titled(finding.fix, titles) if "--overrule" not in finding.fix else finding.fix.replace(
        "(--overrule)", f"(--overrule {finding.where})")
    return replace(finding, where=titles.get(finding.where, finding.where), what=titled(finding.what, titles), fix=fix)


def told(card: ModelCard, finding: Finding) -> str:
    """The finding as a sentence in the columns' own titles."""
    own = in_own_words(card, finding)
    return f"{own.where}: {own.what} {own.fix}".rstrip()


def why(card: ModelCard, name: str, reason: str) -> str:
    """Why a column is never used, in the columns' own titles."""
    return f"{title_of(card, name)}: {titled(reason, titles_of(card))}"


def metrics_table(card: ModelCard) -> pd.DataFrame:
    """Every metric of the churn model beside rule and chance, with its 95 % interval, in words."""
    rows = [{"Metric": title,
             **{words: _plain(card.metrics[subject].get(name)) for subject, words in SUBJECTS.items()},
             "What it says": says} for name, (title, says) in METRICS.items()]
    return pd.DataFrame(rows)


def value_table(card: ModelCard, currency: str) -> pd.DataFrame:
    """Every metric of the value model with its 95 % interval, and what it was measured on."""
    known = card.metrics.get("ltv", {})
    styles: Mapping[str, Any] = {"plain": _three_digits, "share": share, "money": lambda x: money(x, currency),
                                "points": lambda x: f"{100 * x:.1f} points"}
    rows = [{"Metric": title, "Value": _spelt(known[name], styles[style]), "What it says": says,
             "Measured on": known[name].method}
            for name, (title, says, style) in VALUE_METRICS.items() if name in known]
    return pd.DataFrame(rows, columns=["Metric", "Value", "What it says", "Measured on"])


def _plain(estimate: Estimate | None) -> str:
    return _spelt(estimate, _three_digits) if estimate else "-"


def _three_digits(value: float) -> str:
    """Rounded, and never minus nothing.

    >>> _three_digits(-0.0001), _three_digits(0.8476)
    ('0.000', '0.848')
    """
    return f"{round(value, 3) + 0.0:.3f}"


def _spelt(estimate: Estimate, style: Any) -> str:
    return f"{style(estimate.value)} ({style(estimate.low)} to {style(estimate.high)})"


def identity(card: ModelCard) -> list[tuple[str, str]]:
    """What the model is and what it was learned from, as pairs of name and words."""
    how = next(iter(card.metrics["model"].values())).method
    return [
        ("Predicts", f"who leaves within {card.horizon_days} days: {card.label}"),
        ("Learned from", f"{plural(card.rows, 'row')} of {card.dataset} (version {card.version}), "
                         f"{card.leavers:,} of them leavers ({share(card.leavers / max(card.rows, 1))})"),
        ("Knows the data", f"as of {_day(card)}"),
        ("Churn model", f"{algorithm_words(card.algorithm)}, {plural(len(card.features), 'feature')}"),
        ("Value model", algorithm_words(card.ltv_algorithm)),
        ("Judged by", how),
        ("Contacts from", f"a probability of {share(card.threshold)}, the line with {_line_words(card)}"),
        ("Model", card.model_id),
    ]


def _day(card: ModelCard) -> str:
    return f"{card.as_of.day} {card.as_of:%B %Y}"


def _line_words(card: ModelCard) -> str:
    rule = str(part(card, "threshold", "rule"))
    return RULES.get(rule, rule)


def settings_words(card: ModelCard) -> list[tuple[str, str]]:
    """Every decision that a person could have made otherwise, as pairs of name and words."""
    told = card.settings
    line, value = told.get("line", {}), told.get("money", {})
    pairs = [
        ("Threshold drawn by", RULES.get(line.get("rule", ""), "")),
        ("A missed leaver costs", f"{line.get('cost_ratio', 0):g} false alarms"),
        ("Can be contacted", share(line.get("capacity", 0))),
        ("Cure for class imbalance", CURES.get(told.get("balance", ""), "")),
        ("Margin", f"{share(value.get('margin_rate', 0))} of revenue"),
        ("Value counted over", f"{value.get('horizon_days', 0):,} days"),
        ("Discount", f"{share(value.get('annual_discount', 0))} a year"),
        ("Segments", "Holdfast's own" if told.get("segments") == "holdfast" else "the older definitions"),
        ("Overruled the audit for", ", ".join(told.get("overrule", ())) or "no column"),
        ("Judged", "quickly: fewer folds and replicates" if told.get("quick") else "in full"),
        ("Seed", str(card.seed)),
    ]
    return pairs if told else []


def limits(card: ModelCard) -> list[str]:
    """What the model must not be used for, as far as its card tells."""
    held = part(card, "intervals") or {}
    told = [
        f"It says who leaves within {card.horizon_days} days of the moment it is asked, by what was known up to "
        f"{_day(card)}: train it again when prices, products or customers have changed.",
        "It says who leaves, not whom an offer would keep: a driver goes with leaving, it need not cause it.",
        *(["The company is invented: its figures show the method and say nothing of any real customer."]
          if card.synthetic else []),
        *([f"The {100 * held['coverage']:.0f} % intervals of single customers were checked on groups of customers: "
           f"{held['share_held'] * held['bins']:.0f} of {held['bins']} groups lay within theirs."] if held else []),
        *([] if "benchmark" in card.detail else
          ["It was not compared with other algorithms nor stressed, because it was judged quickly."]),
    ]
    return told if card.usable else ["Nothing: do not act on its scores.", *told]


def quarantine_table(card: ModelCard) -> pd.DataFrame:
    """The columns that the model never sees, each with the reason."""
    titles = titles_of(card)
    return pd.DataFrame([(title_of(card, name), titled(reason, titles)) for name, reason in card.quarantined],
                        columns=["Column", "Why"])


def features_table(card: ModelCard, currency: str) -> pd.DataFrame:
    """The features that the model uses: name, unit, meaning, and share of the drivers."""
    told = part(card, "importance") or {"feature": [], "share": []}
    shares = dict(zip(told["feature"], told["share"], strict=True))
    columns = [(column_of(card, name, currency), shares.get(name, 0.0)) for name in card.features]
    rows = [{"Feature": column.title, "Unit": column.unit or "-", "Meaning": column.meaning or "-",
             "Share of the drivers": share(weight)}
            for column, weight in sorted(columns, key=lambda pair: -pair[1])]
    return pd.DataFrame(rows)
