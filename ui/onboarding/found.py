"""What the doctor found: what the files are, what changed since the last ones, faults and cures, what is left out."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from engine.data.doctor.faults import Fault
from engine.data.names import snake
from engine.onboarding import Cure, Proposal
from engine.schema import plural, share
from ui import components
from ui.charts import onboarding as charts
from ui.components import ICONS, card, escaped
from ui.onboarding.decisions import Form, said
from ui.state import look_of_browser

MOST_SHOWN = 40
ROWS = "One row per customer"


def summary(found: Proposal) -> None:
    """What the files are, in four figures and a sentence."""
    seen = found.examined
    with card(_kind(found), sentence(found.part("kind").evidence)):
        if seen.stopped:
            st.markdown(":material/error: **The files cannot be learned from yet.** What stands at the head of the "
                        "findings is to be mended first.")
        with st.grid(4, min_column_width=150):
            st.metric("Customers", f"{seen.customers:,}")
            st.metric("Left", share(seen.left) if seen.left is not None else "unknown")
            st.metric("Columns left out by the audit", f"{len(seen.quarantined):,}")
            st.metric("Rejected rows", f"{seen.rejected:,}")


def window(found: Proposal) -> None:
    """Within how many days customers left, where the file does not say it: seen before anything is learned."""
    asked = found.examined.window
    if asked is not None:
        st.info(escaped(f"{asked.what} Say so above, under Leaving within, if you know."), icon=":material/schedule:")


def taken(found: Proposal) -> str:
    """How many days are taken where nobody says any now, in few words; "" where nobody can tell."""
    days, agreed = found.examined.assumed_days, found.mapping.get("horizon_days")
    return f"{days} are taken" if days else f"{agreed}, as agreed" if agreed and found.refresh else ""


def sentence(words: str) -> str:
    """Words of a listing as a sentence.

    >>> sentence("no order within 90 days"), sentence("")
    ('No order within 90 days.', '')
    """
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _kind(found: Proposal) -> str:
    """What the files are, as a card's title."""
    if found.adapter != "table":
        return f"Read as {found.kind.replace('_', ' ')}"
    return f"{ROWS}, with who has left" if found.mapping.get("label") else f"{ROWS}, without who has left"


def changed(found: Proposal) -> None:
    """What differs from the file of the same dataset before; nothing on a first file."""
    if not found.refresh:
        return
    with card("Since the last file", "Read as was agreed then; nothing has to be chosen again."):
        if not found.changes:
            st.caption("The same columns, the same words, the same units.")
        for change in found.changes:
            icon = ICONS["severe" if change.serious else "note"]
            st.markdown(f"{icon} **{escaped(change.where)}**: {escaped(change.what)}")


def faults(shown: Form) -> None:
    """Every fault with its example, and where there is a cure a switch for it."""
    first = shown.first
    loose = [cure for cure in first.cures if not any(fault.cure == cure.spec for fault in first.faults)]
    if not first.faults and not loose:
        return
    with card("What is wrong in the cells", "Safe cures are switched on; each is kept and done to next month's file."):
        for fault in first.faults[:MOST_SHOWN]:
            _fault(shown, fault)
        for cure in loose:
            _switch(shown, cure, f"{cure.where}: {cure.what}")


def _fault(shown: Form, fault: Fault) -> None:
    finding = fault.finding
    counted = not finding.rows or finding.what.startswith(f"{finding.rows:,} ")
    rows = "" if counted else f" ({plural(finding.rows, 'row')})"
    example = f" For example {fault.example}." if fault.example and fault.example not in finding.what else ""
    cure = next((cure for cure in shown.first.cures if cure.spec == fault.cure), None) if fault.cure else None
    fix = f" :gray[{escaped(finding.fix)}]" if cure is None else ""
    with st.container(gap="xsmall"):
        st.markdown(f"{ICONS[finding.severity]} **{escaped(finding.where)}**: "
                    f"{escaped(finding.what + rows + example)}{fix}")
        if cure is not None:
            _switch(shown, cure, finding.fix)


def _switch(shown: Form, cure: Cure, words: str) -> None:
    place = shown.first.cures.index(cure)
    key = f"data_cure_{place}_{shown.key}"
    st.toggle(escaped(words), said(shown.key).cures.get(place, cure.on), key=key, on_change=_set_cure,
              args=(shown.key, place, key))


def _set_cure(form: str, place: int, key: str) -> None:
    said(form).cures[place] = bool(st.session_state[key])


def silence(found: Proposal) -> None:
    """Of orders and events: after how many days of silence a customer counts as gone, and why."""
    if found.silence is None:
        return
    label = found.part("label")
    with card("When has a customer left?", "The window above changes it; empty, the proposal is taken."):
        st.markdown(escaped(sentence(label.value or f"nothing for {found.silence.days} days")))
        st.caption(escaped(sentence(found.silence.evidence)))
        if len(found.silence.curve):
            components.plot(charts.silence(found.silence, look_of_browser()), "data_silence")


def left_out(found: Proposal) -> None:
    """The columns that the audit keeps from the model, each with why."""
    if not found.examined.quarantined:
        return
    own = _own_names(found)
    with card("Kept from the model", "These give the answer away, come after it, or name customers."):
        for name, why in found.examined.quarantined:
            st.markdown(f":material/block: **{escaped(own.get(name, name))}**: {escaped(why)}")


def _own_names(found: Proposal) -> dict[str, str]:
    """By the name under which a column is learned from, the one that it has in the file."""
    return {snake(name): name for name in found.looks}


def findings(first: Proposal, found: Proposal) -> None:
    """What reading and auditing found, but for what is said above."""
    told = {*(fault.finding for fault in first.faults), found.examined.window}
    said_of = {*(name for name, _ in found.examined.quarantined), *(cure.where for cure in first.cures if cure.on)}
    rest = [each for each in found.examined.findings
            if each not in told and not (each.where in said_of and each.severity in ("note", "warning"))]
    own = _own_names(found)
    with card("What else was found"):
        components.findings([replace(each, where=own.get(each.where, each.where)) for each in rest[:MOST_SHOWN]])
        if not rest:
            st.caption("Nothing more that a person should know.")


def preview(found: Proposal) -> None:
    """The first customers as they are read."""
    if found.examined.first is None:
        return
    with st.expander("The first customers as they are read", icon=":material/preview:", key=f"data_read_{found.name}"):
        st.dataframe(found.examined.first, hide_index=True, height="content", alt="The first customers as read")
