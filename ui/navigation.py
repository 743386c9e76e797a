"""The screens: which there are, who sees them, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

import engine
from engine.schema import Actor
from ui.components import empty

PAGES = Path(__file__).resolve().parents[1] / "pages"


@dataclass(frozen=True)
class Screen:
    """One page: its file, its place in the menu, its URL, the verb that its reader must be allowed.

    scored: whether it needs a dataset that has been scored.
    """

    file: str
    section: str
    title: str
    icon: str
    url: str
    verb: str
    scored: bool = True

    @property
    def path(self) -> Path:
        """The page's file. Absolute, for Streamlit serves a folder pages/ beside its script without that script."""
        return PAGES / self.file


SCREENS = (
    Screen("overview.py", "Know", "Overview", ":material/dashboard:", "overview", "overview"),
    Screen("customer_lookup.py", "Know", "Customer Lookup", ":material/person_search:", "customer", "customers"),
    Screen("segment_analysis.py", "Know", "Segment Analysis", ":material/bubble_chart:", "segments", "overview"),
    Screen("revenue_recovery.py", "Decide", "Revenue Recovery", ":material/savings:", "recovery", "overview"),
    Screen("action_center.py", "Decide", "Action Center", ":material/checklist:", "actions", "customers"),
    Screen("playbook.py", "Decide", "Playbook", ":material/menu_book:", "playbook", "overview"),
    Screen("model_performance.py", "Trust", "Model Performance", ":material/verified:", "model", "models"),
    Screen("data.py", "Set up", "Data", ":material/database:", "data", "datasets", scored=False),
    Screen("admin.py", "Set up", "Admin", ":material/admin_panel_settings:", "admin", "users", scored=False),
    Screen("account.py", "Set up", "Your account", ":material/account_circle:", "account", "overview", scored=False),
)
BY_URL = {screen.url: screen for screen in SCREENS}


def offered(actor: Actor, scored: bool) -> list[Screen]:
    """The screens that the actor's role may see, those of a scored dataset only where there is one."""
    return [screen for screen in SCREENS if engine.may(actor, screen.verb) and (scored or not screen.scored)]


def _first_step(actor: Actor) -> str:
    if engine.may(actor, "onboard"):
        return "Bring a file on the Data screen and train on it."
    return "A manager brings a file on the Data screen and trains on it; this screen then opens by itself."


def kept_from(screen: Screen, actor: Actor) -> None:
    """What somebody finds who follows a link to a screen that their role does not see, or that has no data yet."""
    st.title(screen.title, anchor=False)
    if engine.may(actor, screen.verb):
        empty("There are no scored customers yet.", _first_step(actor))
        if engine.may(actor, "onboard"):
            st.page_link(BY_URL["data"].path, label="Open the Data screen", icon=BY_URL["data"].icon)
    else:
        empty(f"This screen is not for the role {actor.role}.",
              "Choose another screen at the side, or ask an admin for a role that sees it.")
