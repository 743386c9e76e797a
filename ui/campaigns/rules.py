"""What holds for every campaign of a dataset, and a form to change it: each change is in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import streamlit as st

from engine.campaign.rules import HOURS, Rules, rules, set_rules
from engine.errors import EngineError
from ui.components import escaped
from ui.state import Here, now

PROBLEM = "_campaign_rules_problem"


def change(here: Here) -> None:
    """The rules as they stand, and a form to change them."""
    known = rules(here.dataset.name, actor=here.actor)
    with st.popover("Rules", icon=":material/rule:", key="campaign_rules"):
        if problem := st.session_state.pop(PROBLEM, ""):
            st.error(escaped(problem), icon=":material/error:")
        with st.form("campaign_rules_form", border=False, enter_to_submit=False):
            asked = {**_money(here, known), **_contacts(known)}
            st.form_submit_button("Change the rules", type="primary", key="campaign_rules_keep", on_click=_keep,
                                  args=(here, known, tuple(asked)))
        st.caption("They hold for every campaign of this dataset from now on; who changed what is in the audit log.")


def _money(here: Here, known: Rules) -> dict[str, Any]:
    unit = f" [{here.currency}]" if here.currency else ""
    admin = here.may("spend_limit")
    limit, held = st.columns(2, vertical_alignment="bottom")
    return {
        "spend_limit": limit.number_input(
            f"Approved by a second person above{unit}", min_value=0.0, step=500.0, value=known.spend_limit,
            format="%.0f", key="rule_spend_limit", disabled=not admin, help="A campaign that is expected to spend more "
            "is approved by a manager who did not write it." + ("" if admin else " Only an admin moves this limit.")),
        "holdout_share": held.number_input(
            "Held out [%]", 0.0, 50.0, 100 * known.holdout_share, step=1.0, format="%.0f", key="rule_holdout_share",
            help="What a new campaign begins with: drawn by chance and never contacted."),
    }


def _contacts(known: Rules) -> dict[str, Any]:
    most, days = st.columns(2, vertical_alignment="bottom")
    first, last = st.columns(2, vertical_alignment="bottom")
    zone, desk = st.columns(2, vertical_alignment="bottom")
    return {
        "most_contacts": most.number_input("Contacts per customer, at most", 0, 1_000, known.most_contacts,
                                           key="rule_most_contacts", help="Across all campaigns."),
        "within_days": days.number_input("... within days", 0, 3_650, known.within_days, key="rule_within_days"),
        "from_hour": first.number_input("SMS and calls from, o'clock", 0, HOURS - 1, known.from_hour,
                                        key="rule_from_hour"),
        "until_hour": last.number_input("... until, o'clock", 1, HOURS, known.until_hour, key="rule_until_hour"),
        "timezone": zone.text_input("Time zone", known.timezone, key="rule_timezone", help="Such as Europe/Berlin. "
                                    "Where the data know a customer's own, that one holds."),
        "desk_minutes": desk.number_input("Save desk, minutes a day", 0.0, step=30.0, value=known.desk_minutes,
                                          format="%.0f", key="rule_desk_minutes"),
    }


def _keep(here: Here, known: Rules, names: tuple[str, ...]) -> None:
    """Keep what differs from what was shown."""
    asked = {name: st.session_state[f"rule_{name}"] for name in names}
    asked["holdout_share"] = round(asked["holdout_share"] / 100, 4)
    changes = changed(asked, asdict(known))
    if not changes:
        return
    try:
        set_rules(here.dataset.name, changes, actor=here.actor, now=now())
    except EngineError as problem:
        st.session_state[PROBLEM] = str(problem)
    else:
        st.toast(escaped(f"Changed: {', '.join(name.replace('_', ' ') for name in changes)}."), icon=":material/rule:")


def changed(asked: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked that is not so already.

    >>> changed({"spend_limit": 5000.0, "most_contacts": 2}, {"spend_limit": 5000.0, "most_contacts": 4})
    {'most_contacts': 2}
    """
    return {name: value for name, value in asked.items() if value != known[name]}
