"""Which column is what: every part with how sure it is and why, and a list to say otherwise; the use of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from engine.cards_onboard import ROLES, USES
from engine.data.doctor import consents
from engine.data.doctor.recognise import Part
from engine.decision.playbooks import playbook_files
from engine.intake import Seen
from engine.onboarding import Proposal
from engine.schema import plural
from engine.uploads import Upload
from ui.components import card, escaped
from ui.onboarding.decisions import said

COLOURS: Mapping[str, str] = {"sure": "green", "likely": "blue", "a guess": "orange", "open": "gray"}
CHOSEN = ("id", "label", "money", "tenure", "recency", "email", "phone", "first_name", "last_name")
PERIODS = {"month": "a month", "7": "a week", "91": "a quarter", "365": "a year"}
FILLED, NONE = "filled", "no column says it"


def parts(upload: Upload, first: Proposal, final: Proposal, look: Sequence[Seen]) -> None:
    """The parts of a table, each proposed with its reason, each to be chosen otherwise."""
    names = list(dict.fromkeys(name for seen in look for name in seen.columns))
    with card("Which column is what", "Proposed from names and values together; choose otherwise where it is wrong."), \
            st.grid(3, min_column_width=250):
        for role in CHOSEN:
            with st.container(gap="xsmall"):
                _part(upload, first.part(role), final, names)
        with st.container(gap="xsmall"):
            _value(upload, first.part("sector"), sorted(playbook_files()))
    told = [part for part in final.parts if part.role in ("joined", "stacked", "unused")]
    for part in told:
        st.caption(f":material/join: {escaped(_sentence(part))}")
    for part in final.columns:
        if part.role in consents.USES:
            words = f"{USES[part.role].capitalize()}: {part.column}: {part.evidence}"
            st.caption(f":material/contact_mail: {escaped(words)}")


def _sentence(part: Part) -> str:
    what = part.column or part.value
    return f"{ROLES.get(part.role, part.role)}: {what}: {part.evidence}" if what else part.evidence


def _part(upload: Upload, proposed: Part, final: Proposal, names: Sequence[str]) -> None:
    """One part: its column, what belongs to it, and why."""
    role = proposed.role
    part = final.part(role)
    options = list(dict.fromkeys(["", *names, proposed.column]))
    key = f"data_part_{role}_{upload.token}"
    st.selectbox(title(role), options, options.index(proposed.column), key=key, format_func=lambda name: name or NONE,
                 on_change=_choose, args=(upload, role, key))
    if role == "label" and part.column:
        _positive(upload, part, final)
    if role == "money" and part.column:
        _period(upload, part)
    sure(part)


def title(role: str) -> str:
    """A part as people call it.

    >>> title("first_name"), title("id")
    ('First name', 'Customer id')
    """
    return ROLES.get(role, role.replace("_", " ").capitalize())


def sure(part: Part) -> None:
    """How sure the proposal is, and why."""
    if part.evidence and (part.column or part.value or part.role in ("id", "label", "money")):
        st.markdown(f":small[:{COLOURS[part.word]}[**{part.word.capitalize()}**] :gray[· {escaped(part.evidence)}]]")


def _choose(upload: Upload, role: str, key: str) -> None:
    said(upload).parts[role] = str(st.session_state[key] or "")
    if role == "label":
        said(upload).parts.pop("positive", None)


def _positive(upload: Upload, part: Part, final: Proposal) -> None:
    """Which of the label's values mean that a customer left; several may."""
    seen = [text.strip() for text, _ in final.looks[part.column].values] if part.column in final.looks else []
    chosen = [] if part.value == FILLED else part.value.split("|") if part.value else []
    options = [*dict.fromkeys([*chosen, *seen[:20]])]
    if part.value == FILLED:
        st.caption("Whoever has a value there has left.")
        return
    key = f"data_positive_{upload.token}_{part.column}"
    st.multiselect("Its values of who left", options, chosen, key=key, accept_new_options=True,
                   on_change=_set_positive, args=(upload, key), placeholder="choose or type")


def _set_positive(upload: Upload, key: str) -> None:
    said(upload).parts["positive"] = "|".join(st.session_state[key])


def _period(upload: Upload, part: Part) -> None:
    """Over how long the money was earned."""
    options = [*dict.fromkeys([part.value or "month", *PERIODS])]
    key = f"data_period_{upload.token}"
    st.selectbox("The money of", options, 0, key=key, format_func=lambda days: PERIODS.get(days, f"{days} days"),
                 on_change=_set_period, args=(upload, key), accept_new_options=True)


def _set_period(upload: Upload, key: str) -> None:
    said(upload).parts["per"] = str(st.session_state[key])


def _value(upload: Upload, proposed: Part, known: Sequence[str]) -> None:
    """A part that no column holds: the currency, the sector."""
    options = [*dict.fromkeys([*([proposed.value] if proposed.value else []), *known])]
    key = f"data_part_{proposed.role}_{upload.token}"
    st.selectbox(title(proposed.role), options, 0 if proposed.value else None, key=key, placeholder="unknown",
                 accept_new_options=True, on_change=_choose, args=(upload, proposed.role, key))
    sure(proposed)


def others(upload: Upload, first: Proposal) -> None:
    """Every other column: how it is read, and why; a list in the table changes it."""
    if not first.columns:
        return
    rows = pd.DataFrame([{"Column": part.column, "Read as": USES[part.role], "Why": part.evidence}
                         for part in first.columns])
    left_out = sum(part.role == "ignored" for part in first.columns)
    asked = sum(part.role in consents.USES for part in first.columns)
    rules = f"{plural(asked, 'says', 'say')} who may be contacted; " if asked else ""
    with card(f"The other {len(first.columns)} columns" if len(first.columns) > 1 else "The other column",
              f"{left_out} left out; {rules}the rest can be learned from, if the audit below finds nothing "
              "against it."):
        key = f"data_uses_{upload.token}"
        st.data_editor(rows, hide_index=True, key=key, disabled=["Column", "Why"], num_rows="fixed",
                       height=min(420, 36 * (len(rows) + 1) + 3), on_change=_set_uses, args=(upload, first, key),
                       column_config={"Read as": st.column_config.SelectboxColumn(options=list(USES.values()),
                                                                                  required=True)})


def _set_uses(upload: Upload, first: Proposal, key: str) -> None:
    said(upload).uses.update(uses_of(first, st.session_state[key]["edited_rows"]))


def uses_of(first: Proposal, edited: Mapping[int, Mapping[str, str]]) -> dict[str, str]:
    """By column the use that the table's edits say."""
    names = {words: use for use, words in USES.items()}
    return {first.columns[int(row)].column: names[cells["Read as"]] for row, cells in edited.items()
            if "Read as" in cells}
