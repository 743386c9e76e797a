"""The app's entry: who is signed in, which dataset is looked at, which screen. Started by streamlit_app.py alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

import engine
from engine import insight
from engine.schema import Actor
from ui import follow, session, state
from ui.components import escaped, told
from ui.navigation import BY_URL, SCREENS, Screen, kept_from, offered
from ui.state import Here

STATIC = Path(__file__).resolve().parent / "static"
MAIN_PAGE = "overview"
ROOT = "start"  # the first page lies at "/", and Streamlit reserves a name for it


def main() -> None:
    """One run of the script."""
    st.set_page_config("Holdfast", page_icon=str(STATIC / "mark.svg"), layout="wide")
    actor = session.signed_in()
    if actor is None:
        _nobody()
        return
    st.html(STATIC / "buttons.css")
    st.logo(str(STATIC / "logo.svg"), icon_image=str(STATIC / "mark.svg"), size="large")
    names = [found["name"] for found in engine.describe_datasets(actor) if found["runs"]]
    learned = follow.learned()
    if learned in names:
        st.session_state["dataset"] = learned
    here = _choose(actor, names) if names else None
    state.stand(here)
    screens = offered(actor, bool(names))
    page = _navigation(screens, actor)
    _person(actor)
    follow.datasets(actor)
    if learned in names and page.title == BY_URL["data"].title:
        st.switch_page(BY_URL[MAIN_PAGE].path, query_params={})
    if here or page.title not in {screen.title for screen in screens if screen.scored}:
        page.run()


def _nobody() -> None:
    """No session (any more): the addresses stay known, so that a deep link survives the way through sign-in."""
    st.navigation([st.Page(session.to_sign_in, url_path=screen.url, title="Sign in") for screen in SCREENS],
                  position="hidden")
    session.to_sign_in()


def _choose(actor: Actor, names: Sequence[str]) -> Here | None:
    """The dataset and run looked at, from the address or the lists at the side; None, and advice, where they fail.

    The list of datasets has no first choice of its own, so that every address names its dataset: a link that is shared
    still means the same one when others have come.
    """
    asked = st.query_params.get("dataset", "")
    _in_address(st.session_state.get("dataset", asked), asked, names)
    with st.sidebar:
        st.caption("Dataset")
        name: str = st.selectbox("Dataset", names, None, key="dataset", bind="query-params", required=True,
                                 label_visibility="collapsed") or names[0]
        words = follow.run_words(engine.describe_runs(name, actor))
        follow.newest_run(name, list(words), words)
        st.caption("Scored as of")
        chosen = st.selectbox("Scored as of", list(words), key=f"run_{name}", format_func=lambda run: words[run],
                              bind="query-params", label_visibility="collapsed")
    if asked and asked not in names:
        st.warning(escaped(f"There is no dataset {asked} any more; this is {name}."), icon=":material/info:")
    with told():
        scope = insight.scope(name, chosen)
        return Here(actor, scope, state.card_of(name, scope.run.model_id))
    return None


def _in_address(chosen: str, asked: str, names: Sequence[str]) -> None:
    """See to it that a dataset is chosen, and that the address names it."""
    if chosen in names and asked:
        return
    name = chosen if chosen in names else names[0]
    if not asked and "dataset" not in st.session_state:
        st.query_params["dataset"] = name  # the list is not bound yet; from then on it writes the address itself
    st.session_state["dataset"] = name


def _navigation(screens: list[Screen], actor: Actor) -> st.Page:
    """The menu by section; without any scored dataset the Data screen comes first.

    The first screen lies at "/" alone, so its own address, and those of screens that are not offered, are given a page
    each that the menu does not show: a link to them gets an answer.
    """
    first = next(screen for screen in screens if screen.url == (MAIN_PAGE if screens[0].scored else "data"))
    sections: dict[str, list[st.Page]] = {}
    for screen in screens:
        page = st.Page(screen.path, title=screen.title, icon=screen.icon, default=screen is first,
                       url_path=ROOT if screen is first else screen.url)
        sections.setdefault(screen.section, []).append(page)
    sections[first.section].append(st.Page(first.path, title=first.title, url_path=first.url, visibility="hidden"))
    sections[screens[-1].section] += [_hidden(screen, actor) for screen in SCREENS if screen not in screens]
    return st.navigation(sections)


def _hidden(screen: Screen, actor: Actor) -> st.Page:
    """The address of a screen that is not offered: who follows a link to it gets advice."""
    return st.Page(partial(kept_from, screen, actor), title=screen.title, url_path=screen.url, visibility="hidden")


def _person(actor: Actor) -> None:
    with st.sidebar.container(horizontal=True, vertical_alignment="center", key="person"):
        st.caption(f":material/account_circle: {actor.id} · {actor.role}", width="stretch")
        st.button("Sign out", key="sign_out", on_click=session.sign_out, type="tertiary", icon=":material/logout:")


main()
