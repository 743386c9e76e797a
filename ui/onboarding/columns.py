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
from ui.components import card, escaped
from ui.onboarding.decisions import Form, said

COLOURS: Mapping[str, str] = {"sure": "green", "likely": "blue", "a guess": "orange", "open": "gray"}
CHOSEN = ("id", "label", "money", "tenure", "recency", "email", "phone", "first_name", "last_name")
PERIODS = {"month": "a month", "7": "a week", "91": "a quarter", "365": "a year"}
FILLED, NONE = "filled", "no column says it"


def parts(shown: Form, look: Sequence[Seen]) -> None:
    """The parts of a table, each proposed with its reason, each to be chosen otherwise."""
    names = list(dict.fromkeys(name for seen in look for name in seen.columns))
    with card("Which column is what", "Proposed from names and values together; choose otherwise where it is wrong."), \
            st.grid(3, min_column_width=250):
        for role in CHOSEN:
            with st.container(gap="xsmall"):
                _part(shown, role, names)
        with st.container(gap="xsmall"):
            _value(shown, "sector", sorted(playbook_files()))
    told = [part for part in shown.final.parts if part.role in ("joined", "stacked", "unused")]
    for part in told:
        st.caption(f":material/join: {escaped(_sentence(part))}")
    for part in shown.final.columns:
        if part.role in consents.USES:
            words = f"{USES[part.role].capitalize()}: {part.column}: {part.evidence}"
            st.caption(f":material/contact_mail: {escaped(words)}")


def _sentence(part: Part) -> str:
    what = part.column or part.value
    return f"{ROLES.get(part.role, part.role)}: {what}: {part.evidence}" if what else part.evidence


def _part(shown: Form, role: str, names: Sequence[str]) -> None:
    """One part: its column, what belongs to it, and why."""
    part = shown.final.part(role)
    options = list(dict.fromkeys(["", *names, shown.first.part(role).column, part.column]))
    key = f"data_part_{role}_{shown.key}"
    st.selectbox(title(role), options, options.index(part.column), key=key, format_func=lambda name: name or NONE,
                 on_change=_choose, args=(shown.key, role, key))
    if role == "label" and part.column:
        _positive(shown, part)
    if role == "money" and part.column:
        _period(shown, part)
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


def _choose(form: str, role: str, key: str) -> None:
    said(form).parts[role] = str(st.session_state[key] or "")
    if role == "label":
        said(form).parts.pop("positive", None)


def _positive(shown: Form, part: Part) -> None:
    """Which of the label's values mean that a customer left; several may."""
    looks = shown.final.looks
    seen = [text.strip() for text, _ in looks[part.column].values] if part.column in looks else []
    chosen = [] if part.value == FILLED else part.value.split("|") if part.value else []
    options = [*dict.fromkeys([*chosen, *seen[:20]])]
    if part.value == FILLED:
        st.caption("Whoever has a value there has left.")
        return
    key = f"data_positive_{shown.key}_{part.column}"
    st.multiselect("Its values of who left", options, chosen, key=key, accept_new_options=True,
                   on_change=_set_positive, args=(shown.key, key), placeholder="choose or type")


def _set_positive(form: str, key: str) -> None:
    said(form).parts["positive"] = "|".join(st.session_state[key])


def _period(shown: Form, part: Part) -> None:
    """Over how long the money was earned."""
    options = [*dict.fromkeys([part.value or "month", *PERIODS])]
    key = f"data_period_{shown.key}"
    st.selectbox("The money of", options, 0, key=key, format_func=lambda days: PERIODS.get(days, f"{days} days"),
                 on_change=_set_period, args=(shown.key, key), accept_new_options=True)


def _set_period(form: str, key: str) -> None:
    said(form).parts["per"] = str(st.session_state[key])


def _value(shown: Form, role: str, known: Sequence[str]) -> None:
    """A part that no column holds: the currency, the sector."""
    part = shown.final.part(role)
    options = [*dict.fromkeys([*filter(None, (shown.first.part(role).value, part.value)), *known])]
    key = f"data_part_{role}_{shown.key}"
    st.selectbox(title(role), options, options.index(part.value) if part.value else None, key=key,
                 placeholder="unknown", accept_new_options=True, on_change=_choose, args=(shown.key, role, key))
    sure(part)


def others(shown: Form) -> None:
    """Every other column: how it is read, and why; a list in the table changes it."""
    first = shown.first
    if not first.columns:
        return
    left_out = sum(part.role == "ignored" for part in first.columns)
    asked = sum(part.role in consents.USES for part in first.columns)
    rules = f"{plural(asked, 'says', 'say')} who may be contacted; " if asked else ""
    with card(f"The other {len(first.columns)} columns" if len(first.columns) > 1 else "The other column",
              f"{left_out} left out; {rules}the rest can be learned from, if the audit below finds nothing "
              "against it."):
        key = f"data_uses_{shown.key}"
        rows = _rows(shown, key)
        st.data_editor(rows, hide_index=True, key=key, disabled=["Column", "Why"], num_rows="fixed",
                       height=min(420, 36 * (len(rows) + 1) + 3), on_change=_set_uses, args=(shown.key, first, key),
                       column_config={"Read as": st.column_config.SelectboxColumn(options=list(USES.values()),
                                                                                  required=True)})


def _rows(shown: Form, key: str) -> pd.DataFrame:
    """The table as it is when it comes to the screen; what is changed there since is the table's own."""
    kept = f"_data_rows_{shown.key}"
    if key not in st.session_state or kept not in st.session_state:
        uses = {name: use for use in USES for name in shown.final.mapping.get(use, ())}
        st.session_state[kept] = pd.DataFrame([
            {"Column": part.column, "Read as": USES[uses.get(part.column, part.role)], "Why": part.evidence}
            for part in shown.first.columns])
    found: pd.DataFrame = st.session_state[kept]
    return found


def _set_uses(form: str, first: Proposal, key: str) -> None:
    said(form).uses.update(uses_of(first, st.session_state[key]["edited_rows"]))


def uses_of(first: Proposal, edited: Mapping[int, Mapping[str, str]]) -> dict[str, str]:
    """By column the use that the table's edits say."""
    names = {words: use for use, words in USES.items()}
    return {first.columns[int(row)].column: names[cells["Read as"]] for row, cells in edited.items()
            if "Read as" in cells}
