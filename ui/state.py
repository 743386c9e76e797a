"""What a session has chosen, and answers kept so that looking twice costs nothing.

`here()` is where the signed-in person stands: who, which dataset and run, in which look. `answer(function, ...)` asks
the engine once per run and arguments, for all sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import streamlit as st

import engine
from engine import insight, saved
from engine.schema import Actor, Dataset, ModelCard
from ui.charts.base import forget_drawings
from ui.clock import now as now
from ui.look import LIGHT, LOOKS, Look

P = ParamSpec("P")
R = TypeVar("R")
HERE = "_here"
MOST_ANSWERS = 1_000


@dataclass(frozen=True)
class Here:
    """Where a person stands. `scope` and `card` are None while the dataset has not been scored, or there is none."""

    actor: Actor
    scope: insight.Scope
    card: ModelCard

    @property
    def dataset(self) -> Dataset:
        """The dataset looked at, in the version that the run scored."""
        return self.scope.dataset

    @property
    def currency(self) -> str:
        """The ISO code of the dataset's money, "" when it names none."""
        return self.scope.dataset.currency

    @property
    def look(self) -> Look:
        """The colours of the theme that the browser shows."""
        return look_of_browser()

    def may(self, verb: str) -> bool:
        """Whether the person's role allows the verb: for what to show, never instead of the engine's own check."""
        return engine.may(self.actor, verb)


def look_of_browser() -> Look:
    """The colours of the theme that the browser shows."""
    return LOOKS.get(st.context.theme.type or "", LIGHT)


def stand(here: Here | None) -> None:
    """Remember where the person stands in this run of the script."""
    st.session_state[HERE] = here


def here() -> Here:
    """Where the signed-in person stands; screens that need a scored dataset are offered only where there is one."""
    found: Here = st.session_state[HERE]
    return found


def answer(function: Callable[P, R], *args: P.args, **more: P.kwargs) -> R:
    """What an engine function of a scope says, kept by its name, run and arguments; do not change what comes back.

    Give the actor as an argument where the function takes one: what one role may see is never shown to another. What
    takes the moment records a look at customers: once an hour, however often the screen is drawn, at its true time.
    """
    scope = next(part for part in args if isinstance(part, insight.Scope))
    told = (function.__module__, function.__qualname__, scope.dataset.name, scope.key,
            *(part for part in args if part is not scope), more | _hour(more))
    found: R = _answer(told, lambda: function(*args, **more))
    return found


def _hour(more: Mapping[str, Any]) -> dict[str, Any]:
    return {"now": more["now"].replace(minute=0, second=0)} if "now" in more else {}


@st.cache_data(max_entries=MOST_ANSWERS, ttl="12h", max_size="1GB", show_spinner=False)
def _answer(key: tuple[Any, ...], _asked: Callable[[], Any]) -> Any:  # noqa: ARG001
    return _asked()


def remembered(key: tuple[Any, ...], asked: Callable[[], Any]) -> Any:
    """What is asked, kept by a key that changes whenever the answer would."""
    return _answer(key, asked)


def forget_answers() -> None:
    """Throw away every kept answer and chart: after an erasure, and to measure what answering costs."""
    _answer.clear()
    forget_drawings()


@st.cache_resource(max_entries=8, ttl="12h", show_spinner=False)
def card_of(dataset: str, model_id: str) -> ModelCard:
    """A model's card; it never changes."""
    return engine.model_card(dataset, model_id)


@st.cache_resource(max_entries=4, ttl="12h", show_spinner="Opening the model")
def model_of(dataset: str, model_id: str) -> Any:
    """A model ready to score, its files checked; for live figures of one customer."""
    return engine.open_model(dataset, model_id)


def dismissed(actor: Actor) -> set[str]:
    """The hints that have been read, looked up once a session."""
    if "_dismissed" not in st.session_state:
        st.session_state["_dismissed"] = {kept.name for kept in saved.kept("hint", "", actor=actor)}
    found: set[str] = st.session_state["_dismissed"]
    return found


def dismiss(actor: Actor, name: str) -> None:
    """A hint has been read."""
    saved.keep("hint", "", name, {}, actor=actor, now=now())
    dismissed(actor).add(name)
