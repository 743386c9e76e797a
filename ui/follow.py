"""How an open app follows what happens elsewhere: in a shell, in another window, in a job that ends.

Every open screen looks every few seconds whether a dataset, a run or a production model has come or gone, and is drawn
anew when one has. The same look finds out that the session has ended, so that nobody's screen outlives it for longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import streamlit as st

from engine import jobs, watch
from engine.errors import EngineError
from engine.jobs import Job
from engine.schema import Actor
from ui import session
from ui.components import SHORT, escaped

LOOK_SECONDS = 5.0
SEEN, NEWEST, WATCHED = "_seen", "_newest_run", "_watched_job"


def datasets(actor: Actor) -> None:
    """Draw the screen anew once the datasets, their runs or their models have changed."""
    st.session_state[SEEN] = watch.standing(actor)
    st.fragment(_look, run_every=LOOK_SECONDS)()


def _look() -> None:
    actor = session.signed_in()
    if actor is None or watch.standing(actor) != st.session_state.get(SEEN):
        st.rerun()


def watch_for(job: Job) -> None:
    """Note that the screen shows nothing but that this job is under way: its end takes whoever waits to what came."""
    st.session_state[WATCHED] = job.id


def learned() -> str:
    """The dataset of the job that the person has waited for until now, once it is done; "" otherwise."""
    number = st.session_state.pop(WATCHED, None)
    with suppress(EngineError):  # erased meanwhile
        job = jobs.status(number) if number is not None else None
        return job.dataset if job and job.status == "done" else ""
    return ""


def run_words(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By run, what a list calls it: its moment and model, and its own id where another run has both.

    The run in use comes first, the others by their moment, the latest first. A list that called two runs the same would
    open one of them for the other.

    >>> runs = [{"run_id": run, "as_of": "2025-07-01", "model_id": "3c8ee42d", "in_use": run == "0ef98ae0"}
    ...         for run in ("0ef98ae0", "7b21c9d4")]
    >>> list(run_words(runs).values())
    ['01 Jul 2025 · model 3c8ee4 · run 0ef98a', '01 Jul 2025 · model 3c8ee4 · run 7b21c9']
    """
    latest_first = runs[::-1]
    listed = sorted(latest_first, key=lambda run: not run["in_use"])
    words = {run["run_id"]: f"{datetime.fromisoformat(run['as_of']):%d %b %Y} · model {run['model_id'][:SHORT]}"
             for run in listed}
    often = Counter(words.values())
    return {run: told if often[told] == 1 else f"{told} · run {run[:SHORT]}" for run, told in words.items()}


def newest_run(dataset: str, runs: Sequence[str], words: Mapping[str, str]) -> None:
    """Take whoever looks at the run in use (the first) on to the one that has come since, and say so; whoever has
    chosen another one stays there."""
    before: dict[str, str] = st.session_state.setdefault(NEWEST, {})
    known, key = before.get(dataset), f"run_{dataset}"
    if runs and known and known != runs[0]:
        moved = st.session_state.get(key, known) == known
        if moved and key in st.session_state:
            st.session_state[key] = runs[0]
        st.toast(escaped(f"{dataset} has been scored: {words[runs[0]]}. "
                         f"{'You look at it now.' if moved else 'Choose it at the side.'}"), icon=":material/update:")
    if runs:
        before[dataset] = runs[0]
