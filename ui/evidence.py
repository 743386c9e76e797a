"""What the Model Performance screen is made of: charts that a card may lack, facts, and the card as a file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

import engine
from engine.insight.card_words import algorithm_words
from engine.schema import Actor, ModelCard, to_json
from ui.charts.base import Chart
from ui.clock import now
from ui.components import card, empty, escaped, plot, show

NARROWEST = 420
WHOLE, NARROW, SENTENCE = 12, 3, 60
KEY = "performance"


@st.cache_data(max_entries=64, ttl="1m", show_spinner=False)
def models_of(dataset: str, _actor: Actor) -> dict[str, str]:
    """The dataset's models, the one in use first: id and words that tell them apart. Every role may see them."""
    found = sorted(engine.describe_models(dataset, _actor), key=lambda model: "production" not in model["stage"])
    return {model["model_id"]: f"{model['model_id']} · {algorithm_words(model['algorithm'])} · as of {model['as_of']}"
            + ("" if model["stage"] == "-" else f" · {model['stage']}") for model in found}


def pair(*charts: tuple[str, Chart | None]) -> None:
    """Charts side by side, below each other where there is no room; what the card does not hold says so."""
    if not any(chart for _, chart in charts):
        absent(" and ".join(name if place == 0 else name.lower() for place, (name, _) in enumerate(charts)))
        return
    with st.grid(len(charts), min_column_width=NARROWEST):
        for name, chart in charts:
            shown(name, chart)


def shown(name: str, chart: Chart | None) -> None:
    """A chart on its card, or that the model's card does not hold it."""
    if chart is None:
        absent(name)
    else:
        show(chart, f"{KEY}_{name.lower().replace(' ', '_')}")


def followed(titles: Mapping[str, str], draw: Callable[[str], Chart | None], key: str) -> None:
    """The chart of one feature, chosen on the chart's own card."""
    if not titles:
        absent("Dependence")
        return
    with card("Follow one feature"):
        chosen = st.selectbox("Feature", list(titles), format_func=titles.__getitem__, key=f"{KEY}_feature_{key}",
                              label_visibility="collapsed")
        if (chart := draw(chosen)) is not None:
            st.markdown(f"**{escaped(chart.title)}**")
            st.caption(escaped(chart.says))
            plot(chart, f"{KEY}_dependence")


def with_table(name: str, chart: Chart | None, title: str) -> None:
    """A chart with its data as a table beside it, where these are worth reading."""
    with st.grid(2 if chart else 1, min_column_width=NARROWEST):
        shown(name, chart)
        if chart:
            table(title, chart.data)


def absent(name: str) -> None:
    """A part that the card does not hold, and what to do about it."""
    empty(f"{name}: not in this model's card", "It was trained quickly or by an earlier version. Train it again, in "
          "full, on the Data screen or with: python -m engine run. Then it is shown here.")


def facts(title: str, pairs: Iterable[tuple[str, str]], says: str = "") -> None:
    """Names and what they are, one line each."""
    rows = pd.DataFrame([(f"**{escaped(name)}**", escaped(words)) for name, words in pairs])
    with card(title, says):
        st.table(rows, border="horizontal", hide_index=True, hide_header=True, alt=title)


def listed(title: str, lines: Sequence[str], says: str = "") -> None:
    """Sentences, one below the other."""
    with card(title, says):
        st.markdown("\n".join(f"- {escaped(line)}" for line in lines))


def table(title: str, frame: pd.DataFrame, says: str = "") -> None:
    """A table: a short and narrow one is read whole, a long or wide one scrolls."""
    with card(title, says):
        if len(frame) <= WHOLE and frame.shape[1] <= NARROW:
            st.table(frame.map(lambda value: escaped(str(value))), border="horizontal", hide_index=True, alt=title)
        else:
            st.dataframe(frame, hide_index=True, key=f"{KEY}_{title.lower().replace(' ', '_')}", alt=title,
                         height="content" if len(frame) <= WHOLE else "auto", column_config=_wide(frame))


def _wide(frame: pd.DataFrame) -> dict[str, Any]:
    """Room for the columns that hold sentences."""
    longest = {str(name): frame[name].astype(str).str.len().max() for name in frame}
    return {name: st.column_config.TextColumn(width="large") for name, letters in longest.items() if letters > SENTENCE}


def download(model: ModelCard) -> None:
    """The whole card as a file."""
    name = f"{model.dataset}-model-{model.model_id}-{now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}.json"
    st.download_button("Download the card (JSON)", to_json(model).encode(), name, "application/json",
                       key=f"{KEY}_download", on_click="ignore", icon=":material/download:")
