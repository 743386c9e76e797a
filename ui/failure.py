"""What a person sees when the app itself fails: advice where there is any, never a stack trace. The log has it all."""

from __future__ import annotations

import logging
import secrets

import streamlit as st

from engine import EngineError

log = logging.getLogger("holdfast")


def shown(problem: Exception) -> bool:
    """Show the problem in place of the screen; True, for nothing else needs to be shown."""
    from ui.components import escaped  # not sooner: its caches want Streamlit's runtime

    if isinstance(problem, EngineError):
        st.error(escaped(str(problem)), icon=":material/error:")
        return True
    reference = secrets.token_hex(4)
    log.error("Failure %s", reference, exc_info=problem)
    st.error(f"Something in Holdfast failed; it was not what you did, and nothing is lost. Reload the screen. If it "
             f"happens again, give your administrator the reference {reference}: it is in the log.",
             icon=":material/error:")
    return True
