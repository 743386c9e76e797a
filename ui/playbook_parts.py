"""What the screen Playbook is made of: what can be done, what it is believed to keep, and the text behind it."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from engine.campaign.messages import text_problems
from engine.decision import own_playbooks
from engine.decision.effects import Effects
from engine.decision.own_playbooks import Version
from engine.decision.treatments import Allowed, Playbook, Treatment
from engine.errors import DataError, EngineError
from engine.insight.meaning import meaning
from engine.insight.past import effects_of
from engine.schema import SEGMENTS, cost, plural, share
from ui.action_parts import worded
from ui.charts import effects as charts
from ui.components import card, escaped, findings, show, told
from ui.state import Here, now

TYPED, WRONG, NEWS = "playbook_text", "_playbook_wrong", "_playbook_news"
EDITOR_HEIGHT = 560


def sentence(book: Playbook, known: Effects) -> str:
    """How many things can be done, and how many of them have been tried."""
    acting = list(book.acting())
    tried = sum(known.tried(one.name) > 0 for one in acting)
    said = f"{plural(len(acting), 'treatment')} of the {worded(book.sector).lower()} playbook; "
    if not tried:
        return said + "what they keep is assumed until a campaign with a holdout measures it."
    rest = {0: "", 1: ", the other is assumed"}.get(len(acting) - tried, ", the others are assumed")
    return said + f"the effect of {tried} of them rests on what was tried by chance{rest}."


def effects(place: Here, known: Effects) -> None:
    """What each treatment keeps in one segment."""
    segment = st.segmented_control("Segment", SEGMENTS, default=SEGMENTS[1], required=True, key="playbook_segment",
                                   bind="query-params", label_visibility="collapsed")
    acting = list(place.scope.book.acting())
    found = [known.estimate(one.name, segment) for one in acting]
    show(charts.kept([worded(one.name) for one in acting], [one.rate(segment) for one in acting], found, segment,
                     place.look), "playbook_effects")


def treatments(place: Here) -> None:
    """Every treatment with what it costs, whom it fits and what limits it."""
    book = place.scope.book
    with card("What can be done", "Costs are expected per customer; the offer is paid only when it is taken."):
        st.table([_row(one, place) for one in book.acting()], hide_index=True)


def _row(one: Treatment, place: Here) -> dict[str, str]:
    currency = place.currency
    fits = "; ".join(f"{meaning(place.scope, name).title}: {_wanted(wanted)}" for name, wanted in one.only_if.items())
    limits = [*([f"{one.most:,.0f} a plan"] if math.isfinite(one.most) else []), f"rests {one.cooldown_days:g} days",
              *([f"{one.minutes:g} minutes"] if one.minutes else [])]
    return {"Treatment": escaped(one.words), "Channel": worded(one.channel),
            "Contact": escaped(cost(one.contact_cost, currency)), "Offer": escaped(_offer(one, currency)),
            "Taken anyway by": share(one.redemption), "For whom": escaped(fits) or "everybody",
            "Limits": ", ".join(limits), "Effect from": escaped(one.source)}


def _wanted(wanted: Allowed) -> str:
    return " or ".join(map(str, wanted)) if isinstance(wanted, tuple) else str(wanted)


def _offer(one: Treatment, currency: str) -> str:
    return cost(one.offer_cost, currency) if one.offer_cost else one.offer_words or "none"


# ---- the text


def editor(place: Here) -> None:
    """The playbook's text: to read for everybody, to change for managers."""
    dataset, may = place.dataset, place.may("playbook")
    version = own_playbooks.current(dataset, actor=place.actor)
    if news := st.session_state.pop(NEWS, ""):
        st.success(escaped(news), icon=":material/check_circle:")
    named = "as shipped" if version.number == own_playbooks.SHIPPED else f"version {version.number}"
    with card(f"The text ({named})", "TOML. Each number is your own to change; every change is checked before it "
              "holds, kept with who made it, and can be taken back."):
        text = st.text_area("Playbook", version.text, height=EDITOR_HEIGHT, disabled=not may,
                            key=f"{TYPED}_{dataset.name}_{version.number}", label_visibility="collapsed")
        if may:
            note = st.text_input("What changed, and why", key=f"playbook_note_{version.number}", max_chars=200)
            if st.button("Check and keep", type="primary", key="playbook_keep", disabled=text == version.text):
                _keep(place, text, version, note)
    if unsaid := text_problems(place.scope.book):
        with card("Texts that cannot be sent", "A plain line is sent in their place until they are corrected."):
            st.markdown("\n".join(f"- {escaped(line)}" for line in unsaid))
    if wrong := st.session_state.pop(WRONG, ()):
        with card(f"{plural(len(wrong), 'mistake')}: nothing was changed"):
            findings(wrong)


def _keep(place: Here, text: str, version: Version, note: str) -> None:
    """Keep the text, or tell every mistake with its line."""
    try:
        kept = own_playbooks.keep(place.dataset, text, based_on=version.number, actor=place.actor, now=now(), note=note)
    except DataError as problem:
        st.session_state[WRONG] = problem.findings
    except EngineError as problem:
        st.error(escaped(str(problem)), icon=":material/error:")
        return
    else:
        st.session_state[NEWS] = f"Version {kept.number} holds from now on."
    st.rerun()


def history(place: Here) -> None:
    """Who changed it when and why, and the way back."""
    found = own_playbooks.history(place.dataset, actor=place.actor)
    with card("Its history", "Going back adds a version that says what that one said; nothing is lost."):
        rows: list[dict[str, Any]] = [{"Version": f"{one.number}", "By": escaped(one.actor),
                                       "When (UTC)": f"{one.at:%Y-%m-%d %H:%M}" if one.at else "",
                                       "Note": escaped(one.note)} for one in found]
        st.table([*rows, {"Version": "as shipped", "By": "", "When (UTC)": "", "Note": "begins every company's own"}],
                 hide_index=True)
        if found and place.may("playbook"):
            numbers = [own_playbooks.SHIPPED, *(one.number for one in found[1:])]
            back = st.selectbox("Go back to", numbers, key="playbook_back", format_func=lambda number: (
                "As shipped" if number == own_playbooks.SHIPPED else f"Version {number}"))
            if st.button("Go back", key="playbook_revert", icon=":material/undo:"):
                with told():
                    kept = own_playbooks.revert(place.dataset, back, actor=place.actor, now=now())
                    st.session_state[NEWS] = f"Version {kept.number} holds from now on."
                    st.rerun()


def known(place: Here) -> Effects:
    """What is believed of each treatment, by the playbook in use and what was tried."""
    return effects_of(place.scope)
