"""From a plan to a campaign that is written down: its name, who speaks, how many are held out to measure."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine import campaigning
from engine.campaign.chat import settings_of
from engine.campaign.rules import rules
from engine.decision.plan import Plan
from engine.errors import EngineError
from engine.evidence import power
from engine.insight import Filters
from engine.planning import described
from engine.schema import NOTHING_DONE
from ui.components import card, escaped
from ui.state import Here, now

TO_OPEN = "_campaign_to_open"
LONGEST_SENDER = 30
TEXTS = {"template": "The playbook's texts"}
MODEL = {"llm": "A language model, held to the same checks"}


def draft(here: Here, found: Plan, filters: Filters) -> None:
    """Ask for what a campaign needs beside its plan, and write it down."""
    known = rules(here.dataset.name, actor=here.actor)
    with card("3 · Campaign", "Written down as a draft: nothing is sent to anybody yet. Whom the data "
              "give no way to reach is left out of it, each with the reason."):
        name, sender, held = st.columns([2, 2, 1], vertical_alignment="bottom")
        called = name.text_input("Name", key="draft_name", max_chars=120,
                                 help="How everybody will know it, such as: July, contracts. No two are called the "
                                      "same.")
        speaks = sender.text_input("Sender, as customers know you", key="draft_sender", max_chars=LONGEST_SENDER,
                                   help="Stands in each message. Without a sender no messages are written.")
        percent = held.number_input("Held out [%]", 0, 50, round(100 * known.holdout_share), key="draft_holdout",
                                    help="Drawn by chance within segment and treatment and never contacted: only "
                                         "beside them does it show what the campaign saved.")
        writer = _writer()
        if not percent:
            st.warning("Without a holdout nobody will know what this campaign saved.", icon=":material/visibility_off:")
        elif said := _foretold(found, percent / 100):
            st.caption(f":material/balance: {escaped(said)}")
        if st.button("Write the draft", key="draft_write", type="primary", icon=":material/edit_note:",
                     disabled=not called.strip()):
            _write(here, found, called, speaks, writer, percent / 100, _told(here, found, filters))


def _foretold(found: Plan, held: float) -> str:
    """Whether a holdout of that share can show what the plan expects."""
    made = found.decisions()
    made = made[made["treatment"] != NOTHING_DONE]
    out = round(held * len(made))
    return power.foretold(float(made["churn_probability"].mean()), float(made["uplift"].mean()), out, len(made) - out)


def _writer() -> str:
    """Who writes the messages; a language model only where one is set up."""
    try:
        settings_of()
    except EngineError:
        return "template"
    offered = {**TEXTS, **MODEL}
    return st.radio("Words by", list(offered), format_func=offered.__getitem__, key="draft_writer", horizontal=True)


def _told(here: Here, found: Plan, filters: Filters) -> dict[str, Any]:
    record = described(here.scope, found)
    audience = {name: list(values) for name, values in filters.values.items() if values}
    return {"audience": audience, "constraints": record["constraints"], "figures": record["total"]}


def _write(here: Here, found: Plan, name: str, sender: str, writer: str, share: float, told: dict[str, Any]) -> None:
    """Write it and open it; what stands in the way is said here."""
    try:
        with st.spinner("Writing the draft and its messages"):
            made = campaigning.draft(here.scope, found.decisions(), name=name, sender=sender, write=writer,
                                     holdout_share=share, told=told, plan=found, actor=here.actor, now=now())
    except EngineError as problem:
        st.error(escaped(str(problem)), icon=":material/error:")
    else:
        st.session_state[TO_OPEN] = made.id
        st.toast(escaped(f"{made.name} is written down. The next step is at the top: where it stands."),
                 icon=":material/edit_note:")
        st.rerun()
