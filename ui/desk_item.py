"""One customer of the save desk: what is planned, how it stands, what a person knows better, what was done so far."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

from engine.campaign import desk, ledger
from engine.campaign.desk import CALLS, ENDS, STAGES, Item
from engine.errors import EngineError
from engine.files import short_hash
from engine.schema import money, share
from ui.action_parts import worded
from ui.components import card, escaped
from ui.navigation import BY_URL
from ui.state import Here, now

NEWS = "_desk_news"
LONGEST = 500
AS_PLANNED = "As planned"
FIELDS = {"stage": "stage", "owner": "owner", "due": "due", "reason": "reason", "outcome": "outcome",
          "snoozed_until": "snoozed until", "human_call": "overridden", "human_note": "note",
          "human_treatment": "would do instead"}


def treatment_words(place: Here, name: str) -> str:
    """What is to be done, as the playbook in use says it; its name where the playbook no longer has it."""
    known = place.scope.book.treatments.get(name)
    return known.words if known else worded(name)


def panel(place: Here, item: Item) -> None:
    """Everything about one customer, and everything that can be done."""
    with card(f"{item.customer_id} · {item.segment}", treatment_words(place, item.treatment)):
        st.markdown(_facts(place, item))
        _takes(place, item)
        _standing(place, item)
        _override(place, item)
        _history(place, item)


def _facts(place: Here, item: Item) -> str:
    margin, pace = (escaped(money(value, place.currency))
                    for value in (item.incremental_margin, item.margin_per_minute))
    whence = f'the campaign "{ledger.get(item.campaign_id).name}"' if item.campaign_id else "no campaign"
    lines = [f"**{share(item.churn_probability)}** chance to leave within {place.dataset.label.horizon_days} days",
             f"**{margin}** expected incremental margin · {item.minutes:g} minutes · **{pace}** a minute",
             f":gray[{escaped(f'On the desk since {item.created_at:%d %b %Y}, from {whence}')}]"]
    if item.stopped:
        lines.insert(0, f":material/do_not_disturb_on: **Stopped: {escaped(item.stopped)}**")
    if item.human_call:
        lines.append(escaped(f"{item.human_by} says that the customer {item.human_call}, the model that the customer "
                             f"{item.model_call}: {item.human_note}"))
    return "  \n".join(lines)


def _takes(place: Here, item: Item) -> None:
    """Make it one's own or give it back, and the way to the customer."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if item.owner != place.actor.id:
            if st.button("Take it", key="desk_take", icon=":material/front_hand:", type="primary"):
                _change(place, item, {"owner": place.actor.id})
        elif st.button("Give it back", key="desk_give", icon=":material/undo:"):
            _change(place, item, {"owner": None})
        st.page_link(BY_URL["customer"].path, label="Open in Customer Lookup", icon=":material/person_search:",
                     query_params={"customer": item.customer_id})


def _standing(place: Here, item: Item) -> None:
    """Stage, owner, due date, snooze, reason and outcome, kept together."""
    mark = stamp(item)
    with st.form(f"desk_form_{mark}", border=False):
        with st.grid(2, min_column_width=150):
            stage = st.selectbox("Stage", STAGES, STAGES.index(item.stage), format_func=str.capitalize,
                                 key=f"desk_stage_{mark}")
            owner = st.text_input("Owner", item.owner or "", key=f"desk_owner_{mark}", placeholder="Nobody")
            due = st.date_input("Due", item.due, key=f"desk_due_{mark}", format="YYYY-MM-DD")
            snoozed = st.date_input("Snoozed until", item.snoozed_until, key=f"desk_snooze_{mark}", format="YYYY-MM-DD",
                                    help="Off the list until that day.")
        reason = st.text_input("Reason", item.reason, key=f"desk_reason_{mark}", max_chars=LONGEST,
                               placeholder="Why the customer is at risk, stayed or left",
                               help="Recovered and lost need one.")
        outcome = st.text_input("Outcome", item.outcome, key=f"desk_outcome_{mark}", max_chars=LONGEST,
                                placeholder="What was agreed, or what happened")
        if st.form_submit_button("Keep", key=f"desk_keep_{mark}", type="primary"):
            said = {"stage": stage, "owner": owner.strip() or None, "due": due, "snoozed_until": snoozed,
                    "reason": reason.strip(), "outcome": outcome.strip()}
            _change(place, item, {name: value for name, value in said.items() if value != getattr(item, name)})


def stamp(item: Item) -> str:
    """Names the item's fields as they stand, so that nobody keeps over what somebody else has changed meanwhile."""
    return f"{item.id}_{short_hash(item)}"


def _change(place: Here, item: Item, changes: Mapping[str, Any]) -> None:
    if not changes:
        st.caption("Nothing has been changed.")
        return
    try:
        desk.change(item.id, changes, actor=place.actor, now=now())
    except EngineError as problem:
        st.error(escaped(str(problem)), icon=":material/error:")
        return
    _tell(f"{item.customer_id}: {_said(changes)}.")


def _override(place: Here, item: Item) -> None:
    """What a person knows that the model does not."""
    if item.stage in ENDS:
        return
    mark = stamp(item)
    with st.expander("You know better than the model", key=f"desk_better_{item.id}", icon=":material/psychology:"):
        st.caption(f"The model says that the customer {item.model_call} ({share(item.churn_probability)} chance to "
                   "leave). Your word is kept beside it and scored once it is known how it ended.")
        with st.form(f"desk_override_form_{mark}", border=False):
            call = st.segmented_control("The customer", CALLS, key=f"desk_call_{mark}", default=item.human_call,
                                        format_func=str.capitalize)
            instead = st.selectbox("What you would do", [None, *place.scope.book.treatments], key=f"desk_other_{mark}",
                                   format_func=lambda name: worded(name) if name else AS_PLANNED)
            note = st.text_area("What you know", item.human_note, key=f"desk_note_{mark}", max_chars=LONGEST)
            if st.form_submit_button("Keep the override", key=f"desk_override_{mark}"):
                _overridden(place, item, call, note, instead)


def _overridden(place: Here, item: Item, call: str | None, note: str, instead: str | None) -> None:
    try:
        if call is None:
            raise EngineError("Say whether the customer leaves or stays.")
        desk.override(item.id, call, note, instead, actor=place.actor, now=now())
    except EngineError as problem:
        st.error(escaped(str(problem)), icon=":material/error:")
    else:
        _tell(f"{item.customer_id}: your word is kept, and scored once it is known how it ended.")


def _tell(news: str) -> None:
    st.session_state[NEWS] = news
    st.rerun()


def _history(place: Here, item: Item) -> None:
    """Who changed what and when, the latest first."""
    found = desk.history(item.id, actor=place.actor)
    with st.expander(f"History ({len(found)})", key=f"desk_history_{item.id}", icon=":material/history:"):
        lines = [f"- {one['at']:%Y-%m-%d %H:%M} UTC, {escaped(one['actor'])}: {escaped(_said(one['changes']))}"
                 for one in reversed(found)]
        begun = f"- {item.created_at:%Y-%m-%d %H:%M} UTC: put on the desk"
        st.markdown("\n".join([*lines, begun]))


def _said(changes: Mapping[str, Any]) -> str:
    """Changes in words.

    >>> _said({"stage": "lost", "owner": None, "ended_at": "2024-06-01T00:00:00", "human_by": "ana"})
    'stage lost; owner nobody'
    """
    told = {name: value for name, value in changes.items() if name in FIELDS
            and not (name == "human_treatment" and value is None)}
    return "; ".join(f"{FIELDS[name]} {_value(name, value)}" for name, value in told.items())


def _value(name: str, value: Any) -> str:
    if value in (None, ""):
        return "nobody" if name == "owner" else "none"
    if name == "human_treatment":
        return worded(value)
    return value.isoformat() if isinstance(value, date) else str(value)
