"""Compare models, on the screen Model Performance: champion beside challenger, what changed, and who decides."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import engine
from engine import champions
from engine.insight.card_words import algorithm_words
from engine.prediction.challenge import NeedsWork
from engine.prediction.store import current, stack
from engine.schema import Actor, ModelCard
from ui import evidence
from ui.charts import versus
from ui.clock import now
from ui.components import card, empty, escaped, show, told
from ui.state import Here

KEY = "performance_versus"
HOW = {
    "held out": "Both judged these customers in the same folds, none of whom they had seen.",
    "as they are": "Both as they are, on customers or times that neither had learned from.",
    "made anew": "Both recipes were fitted anew on the same data and folds, for the models had judged different rows.",
    "same recipe": "Both were made alike, from other data, and have judged no rows in common: figures cannot tell "
                   "which is better. The newer one knows more recent customers.",
}
RULES = {
    "always": "Put each new model to use", "person": "A person decides",
    "better": "Only where its log loss is surely lower",
    "better_or_newer": "Where its log loss is surely lower, or it knows later data and is not surely worse",
}


def section(_model: ModelCard, at: Here) -> None:
    """Is another model better than the one in use, and who puts it there?"""
    name, champion = at.dataset.name, current(at.dataset.name)
    others = {model: words for model, words in evidence.models_of(name, at.actor).items() if model != champion}
    if champion is None or not others:
        empty("Only one model so far", "Train again on the Data screen, or with: python -m engine train. A second "
              "model is held against the one in use here, on the same customers.")
        return
    ids, staged = list(others), current(name, "staging")
    challenger: str = st.selectbox("Challenger", ids, index=ids.index(staged) if staged in ids else len(ids) - 1,
                                   format_func=others.__getitem__, key=f"{KEY}_{name}_{champion}", width=480)
    _beside(name, champion, challenger, at)
    _decide(name, champion, challenger, at)


def _beside(name: str, champion: str, challenger: str, at: Here) -> None:
    try:
        record = _compared(name, champion, challenger, at.actor)
    except NeedsWork:
        _ask_for_work(name, champion, challenger, at)
        return
    with st.grid(2 if record["differences"] else 1, min_column_width=evidence.NARROWEST):
        if record["differences"]:
            show(versus.ahead(record, at.look), f"{KEY}_ahead")
        with card(f"Champion {champion} and challenger {challenger}", HOW[record["how"]]):
            st.markdown(escaped(f"On {record['on']}."))
            _changed(record)
    if record["differences"]:
        evidence.table("Every measure of both", versus.table(record), "On the same rows, with 95 % intervals.")


@st.cache_data(max_entries=64, ttl="1m", show_spinner="Holding both against each other")
def _compared(name: str, champion: str, challenger: str, _actor: Actor) -> dict[str, Any]:
    """What is kept of both models tells, in plain values; every role may see it."""
    return champions.compare(name, challenger, champion, actor=_actor, now=now(), kept_only=True)


def _ask_for_work(name: str, champion: str, challenger: str, at: Here) -> None:
    """The kept rows do not tell: a manager may have both held against each other in the background."""
    empty("These two have not judged the same customers", "They learned from other data, or were cut into other folds. "
          "Holding them against each other applies or fits both anew, which takes as long as training; a manager can "
          "start it, and then everybody sees it here.")
    if at.may("train") and st.button("Hold both against each other", key=f"{KEY}_work", icon=":material/balance:"):
        words = ["models", "--dataset", name, "--compare", challenger, "--against", champion]
        _started(words, name, at.actor)


def _changed(record: dict[str, Any]) -> None:
    rows = pd.DataFrame([[escaped(algorithm_words(words)) for words in change] for change in record["changed"]],
                        columns=["What differs", "Champion", "Challenger"])
    if rows.empty:
        st.caption("Data, settings and features are the same.")
    else:
        st.table(rows, border="horizontal", hide_index=True, alt="What differs between the two models")


def _decide(name: str, champion: str, challenger: str, at: Here) -> None:
    """Which model is in use: the rule, and for managers the two buttons."""
    rule = champions.rule_of(name, at.actor)
    with card("Which model is in use", f"{champion} is. When a newly learned model takes its place: "
              f"{RULES[rule].lower()}."):
        if not at.may("promote"):
            st.caption("A manager decides which model is in use.")
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if st.button("Put the challenger to use", key=f"{KEY}_promote", icon=":material/upgrade:"):
                _promote(name, challenger, at.actor)
            if st.button("Go back to the one before", key=f"{KEY}_rollback", icon=":material/undo:",
                         disabled=len(stack(name)) < 2):
                with told():
                    engine.rollback(name, actor=at.actor, now=now())
                    _again()
        chosen = st.selectbox("The rule for new models", list(RULES), index=list(RULES).index(rule),
                              format_func=RULES.__getitem__, key=f"{KEY}_rule_{name}", width=520)
        if chosen != rule:
            with told():
                champions.set_rule(name, chosen, actor=at.actor, now=now())
                _again()


def _promote(name: str, challenger: str, actor: Actor) -> None:
    """At once where its scores are there; else in the background, where they are made first."""
    if not champions.is_scored(name, challenger):
        _started(["models", "--dataset", name, "--promote", challenger], name, actor)
        return
    with told():
        engine.promote(name, challenger, actor=actor, now=now())
        _again()


def _started(words: list[str], name: str, actor: Actor) -> None:
    with told():
        engine.start_job(words, name, actor=actor, now=now())
        st.success("It is under way: the Data screen shows how far it is, and it is shown here when it is done.",
                   icon=":material/schedule:")


def _again() -> None:
    """Draw the screen anew with what is in use now."""
    evidence.models_of.clear()
    st.rerun()
