"""What a plan must keep to, as a person sets it: budget, days, caps, capacities, guardrails put aside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd
import streamlit as st

from engine.decision.constraints import Constraints
from engine.decision.guardrails import GUARDS
from engine.decision.treatments import Playbook
from ui.action_parts import worded
from ui.links import from_address, impossible, set_by_hand
from ui.state import Here

ASKED = {name: guard.title for name, guard in GUARDS.items() if guard.asked}


def limits(here: Here, book: Playbook) -> Constraints:
    """The constraints that are set; what nobody has touched is the playbook's."""
    budget, days, aside = st.columns([1, 1, 2], vertical_alignment="bottom")
    unit = f" [{here.currency}]" if here.currency else ""
    with budget:
        spend = st.number_input(f"Budget{unit}", min_value=0, step=500, value=round(book.plan.budget),
                                key="plan_budget", bind=from_address("plan_budget"), on_change=set_by_hand,
                                args=("plan_budget",), help="The most that may be spent, by expected "
                                "cost: contacts, and offers times the chance that they are taken.")
    with days:
        spread = st.number_input("Working days", min_value=1, step=1, value=round(book.plan.days), key="plan_days",
                                 bind=from_address("plan_days", 1.0), on_change=set_by_hand, args=("plan_days",),
                                 help="What channels carry and teams have time for in a day, "
                                 "times this.")
    with aside:
        without = st.multiselect("Guardrails put aside", list(ASKED), format_func=ASKED.__getitem__, key="plan_without",
                                 placeholder="None: all of them hold", help="Each plan says what each guardrail costs.")
    impossible("plan_budget", "the budget")
    impossible("plan_days", "the working days")
    with st.expander("Caps per treatment, channels and teams", key="plan_caps", on_change="rerun") as opened:
        caps = _caps(here, book, float(spread)) if opened.open else _kept(here)
    return Constraints(float(spend), float(spread), caps.get("most", {}), caps.get("channels", {}),
                       caps.get("teams", {}), without=tuple(without))


def _kept(here: Here) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = st.session_state.get(_key(here), {})
    return found


def _key(here: Here) -> str:
    return f"_plan_caps_{here.dataset.name}"


def _caps(here: Here, book: Playbook, days: float) -> dict[str, dict[str, float]]:
    """Tables whose numbers can be changed; an empty cell is no limit."""
    offers, channels, teams = st.columns([2, 1, 1])
    with offers:
        most = _table("Customers per treatment", {one.name: one.most for one in book.acting()}, f"plan_most_{days:g}")
    with channels:
        contacts = _table("Contacts per channel", {name: channel.contacts_a_day * days for name, channel
                                                   in book.channels.items()}, f"plan_channels_{days:g}")
    with teams:
        minutes = _table("Minutes per team", {name: a_day * days for name, a_day in book.teams.items()},
                         f"plan_teams_{days:g}")
    st.session_state[_key(here)] = caps = {"most": most, "channels": contacts, "teams": minutes}
    return caps


def _table(title: str, begin: Mapping[str, float], key: str) -> dict[str, float]:
    """The numbers that have been changed, by name."""
    if not begin:
        st.caption(f"{title}: the playbook names none.")
        return {}
    rows = pd.DataFrame({title: [worded(name) for name in begin],
                         "Most": [math.nan if math.isinf(most) else float(round(most)) for most in begin.values()]})
    edited = st.data_editor(rows, hide_index=True, disabled=[title], key=key, num_rows="fixed", placeholder="no limit",
                            column_config={"Most": st.column_config.NumberColumn(
                                min_value=0, step=1, format="localized", help="Empty: no limit.")})
    return changed(begin, edited["Most"])


def changed(begin: Mapping[str, float], edited: Iterable[float]) -> dict[str, float]:
    """The limits that a person has changed, by name; an empty cell is no limit.

    >>> changed({"gift": 100.0, "call": math.inf, "text": 50.4}, [80.0, math.nan, 50.0])
    {'gift': 80.0}
    >>> changed({"gift": 9.0}, [math.nan])
    {'gift': inf}
    """
    found = {name: math.inf if math.isnan(most) else float(most) for name, most in zip(begin, edited, strict=True)}
    return {name: most for name, most in found.items() if most != begin[name] and not (
        math.isfinite(begin[name]) and most == round(begin[name]))}
