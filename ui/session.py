"""Who is signed in, as Streamlit's script may know it: the cookie of its websocket, looked up anew in every run.

The gate refuses first. This asks again within the script, and ties a live session to the first cookie it was seen with,
so that whoever learns a session's id gets nowhere with it.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.schema import Actor
from ui import sessions
from ui.accounts import digest
from ui.clock import now
from ui.signin.views import COOKIE, SIGN_IN, SIGN_OUT, sign_in_address

BOUND = "_bound_to"
NEXT = "_go_to"


def signed_in() -> Actor | None:
    """The person behind this session, looked up anew in every run; None when the session has ended or is not theirs."""
    token = _token()
    actor = sessions.user_of(token, now())
    if actor is None or st.session_state.setdefault(BOUND, digest(token)) != digest(token):
        _forget_all()
        return None
    return actor


def _forget_all() -> None:
    """Empty what the session held, except where its browser is to go."""
    there = st.session_state.get(NEXT)
    st.session_state.clear()
    if there:
        st.session_state[NEXT] = there


def to_sign_in() -> None:
    """Send the browser to the sign-in page and back here afterwards, or, after signing out, only there."""
    query = [(name, value) for name in st.query_params for value in st.query_params.get_all(name)]
    path = urlsplit(st.context.url or "").path or "/"  # Streamlit names the first screen without its slash
    there = st.session_state.pop(NEXT, sign_in_address(path, urlencode(query), "ended"))
    with st.container(border=True, key="session_ended"):
        st.markdown("**Your session has ended**")
        st.caption("You are taken to the sign-in page. If nothing happens, reload this page.")
    _go(there)


def sign_out() -> None:
    """End this person's session here and now; for a button's `on_click`."""
    sessions.sign_out(_token(), now())
    st.session_state[NEXT] = SIGN_OUT


def change_password(old: str, new: str, actor: Actor) -> None:
    """Replace the signed-in person's password, which ends all their sessions, and have them sign in with it."""
    sessions.change_password(old, new, actor=actor, address=f"account of {actor.id}", now=now())
    leave("password")


def leave(note: str) -> None:
    """Send the browser to the sign-in page, which says why: one of the notes of ui/signin/views.py."""
    _go(f"{SIGN_IN}?note={note}")


def _token() -> str:
    return st.context.cookies.get(COOKIE, "")


def _go(there: str) -> None:
    """Open another address of this server in the same tab, as st.logout does."""
    context = get_script_run_ctx()
    assert context is not None, "Only a running script has a browser."
    message = ForwardMsg()
    message.auth_redirect.url = there
    context.enqueue(message)
