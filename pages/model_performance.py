"""Model Performance: can I trust it?"""

import streamlit as st

from engine.insight import card_words, trust
from engine.schema import ModelCard, share
from ui import evidence as parts
from ui import versus
from ui.charts import explained, performance, robustness, worth
from ui.components import Kpi, card, escaped, findings, header, hint, kpis
from ui.state import Here, card_of, here


def ranking(model: ModelCard, at: Here) -> None:
    """Does it know who leaves before whom, and is it better than a rule and than other algorithms?"""
    parts.pair(("ROC curve", performance.roc(model, at.look)),
               ("Precision and recall", performance.precision_recall(model, at.look)))
    parts.pair(("Gain", performance.gain(model, at.look)), ("Lift", performance.lift(model, at.look)))
    parts.pair(("Algorithms", robustness.algorithms(model, at.look)),
               ("Paired differences", robustness.algorithm_differences(model, at.look)))
    parts.table("Every measure beside rule and chance", card_words.metrics_table(model),
                "On customers the model had not seen, with 95 % intervals. Precision, recall and F are at the "
                "threshold that each fold drew for itself; for the one in use see Threshold and cost.")


def calibration(model: ModelCard, at: Here) -> None:
    """Do 20 % mean 20 %?"""
    parts.pair(("Reliability", performance.reliability(model, at.look)),
               ("Intervals", performance.coverage(model, at.look)))
    if at.dataset.kind != "snapshot":
        parts.pair(("Level over time", robustness.seasons(model, at.look)),
                   ("Metrics over time", robustness.over_time(model, at.look)))
    parts.with_table("Class imbalance", robustness.balance(model, at.look), "Cures for class imbalance compared")


def threshold(model: ModelCard, at: Here) -> None:
    """What happens when everyone from here on is contacted?"""
    steps = trust.thresholds(model)
    if not steps:
        parts.absent("Movable threshold")
        return
    with card("Where to draw the line", "Held-out customers show what each threshold would have done."):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        line = left.select_slider("Contact everyone from this probability on", steps, model.threshold,
                                  format_func=share, key=f"performance_threshold_{model.model_id}")
        ratio = right.number_input("A missed leaver costs, in false alarms", 0.5, 1000.0, trust.cost_ratio(model), 0.5,
                                   key=f"performance_ratio_{model.model_id}",
                                   help="How many needless contacts one missed leaver is worth to you.")
        if found := trust.outcome(model, line, ratio):
            st.markdown(escaped(f"{trust.outcome_words(found)} {trust.cost_words(model, found, ratio)}"))
    parts.pair(("Confusion", performance.confusion(model, at.look, line)),
               ("Cost", performance.cost(model, at.look, line, ratio)))


def drivers(model: ModelCard, at: Here) -> None:
    """What does it look at?"""
    parts.pair(("Swarm", explained.swarm(model, at.look, at.currency)),
               ("Importance", explained.importance(model, at.look)))
    with st.grid(2, min_column_width=420):
        parts.followed(explained.features_with_dependence(model),
                       lambda name: explained.dependence(model, at.look, name, at.currency), model.model_id)
        parts.shown("Churn beside value", explained.cross_model(model, at.look))


def value(model: ModelCard, at: Here) -> None:
    """Are the values right?"""
    parts.pair(("Predicted and actual", worth.predicted_and_actual(model, at.look, at.currency)),
               ("Value by tenth", worth.value_deciles(model, at.look, at.currency)))
    if (survival := worth.survival_deciles(model, at.look)) is not None:
        parts.pair(("Survival by tenth", survival))
    parts.table("Every measure of the values", card_words.value_table(model, at.currency), "With 95 % intervals.")


def checks(model: ModelCard, at: Here) -> None:
    """Does any column know the answer?"""
    with card("Findings", "What a person should know about the data, the worst first."):
        findings([card_words.in_own_words(model, finding) for finding in model.findings])
        if not model.findings:
            st.markdown("Nothing was found that a person needs to look at.")
    parts.shown("Single columns", robustness.single_columns(model, at.look))
    if model.quarantined:
        parts.table("Columns that know the answer", card_words.quarantine_table(model), "The model never sees them.")


def model_card(model: ModelCard, at: Here) -> None:
    """What is it, and what must it not be used for?"""
    with st.grid(2, min_column_width=420):
        parts.facts("What it is", card_words.identity(model))
        parts.facts("How it was made", card_words.settings_words(model),
                    "Everything a person could have decided otherwise.")
        parts.listed("What to mind", model.notes)
        parts.listed("Its limits", card_words.limits(model))
    parts.table("What it looks at", card_words.features_table(model, at.currency))
    parts.download(model)


def stress(model: ModelCard, at: Here) -> None:
    """What if the data get worse?"""
    parts.with_table("Stress", robustness.stress(model, at.look), "What was done to the data")


SECTIONS = {"Ranking": ranking, "Calibration": calibration, "Threshold and cost": threshold, "Drivers": drivers,
            "Value": value, "Data checks": checks, "Stress": stress, "Model card": model_card,
            "Compare models": versus.section}

at = here()
models, picked = parts.models_of(at.dataset.name, at.actor), f"performance_model_{at.dataset.name}"
asked = st.session_state.get(picked)
model = card_of(at.dataset.name, asked if asked in models else at.card.model_id)
header("Can I trust it?", at, trust.verdict(model))
hint("performance", "Every figure here comes from customers the model had not seen while it learned. Begin with "
     "Ranking and Calibration; the other sections open one at a time.")
kpis([Kpi(told.label, told.value, told.says, band=told.beside) for told in trust.headlines(model)])
if len(models) > 1:
    st.selectbox("Model", list(models), index=list(models).index(model.model_id), format_func=models.__getitem__,
                 key=picked, width=480)
section = st.segmented_control("Section", list(SECTIONS), default="Ranking", key="performance_section", required=True,
                               label_visibility="collapsed", bind="query-params")
SECTIONS[section](model, at)
