"""How an open app follows what happens elsewhere: in a shell, in another window, in a job that ends.

Every open screen looks every few seconds whether a dataset, a run or a production model has come or gone, and is drawn
anew when one has. The same look finds out that the session has ended, so that nobody's screen outlives it for longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from engine import watch
from engine.schema import Actor
from ui import session
from ui.components import escaped

LOOK_SECONDS = 5.0
SEEN, NEWEST = "_seen", "_newest_run"


def datasets(actor: Actor) -> None:
    """Draw the screen anew once the datasets, their runs or their models have changed."""
    st.session_state[SEEN] = watch.standing(actor)
    st.fragment(_look, run_every=LOOK_SECONDS)()


def _look() -> None:
    actor = session.signed_in()
    if actor is None or watch.standing(actor) != st.session_state.get(SEEN):
        st.rerun()


def newest_run(dataset: str, runs: Sequence[str], words: Mapping[str, str]) -> None:
    """Take whoever looks at the newest run (the first) on to the one that has come since, and say so; whoever has
    chosen an older one stays there."""
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
