"""One campaign's way: where it stands, and the steps that can be taken next by whoever may take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from engine import campaigning
from engine.campaign import ledger
from engine.campaign.ledger import Campaign
from engine.campaign.rules import rules
from engine.campaign.tables import APPROVED, AWAITING, CLOSED, DRAFT, LAUNCHED
from engine.schema import Actor, money
from ui.components import card, escaped, told
from ui.state import Here, now

WAY = (("Draft", (DRAFT,)), ("Approval", (AWAITING, APPROVED)), ("Under way", (LAUNCHED,)), ("Closed", (CLOSED,)))
DID = {"created": "Written by", "submitted": "Approval asked for by", "approved": "Approved by",
       "launched": "Launched by", "closed": "Closed by"}


@dataclass(frozen=True)
class Step:
    """A step that can be taken: what the button says, what it does, which verb allows it."""

    key: str
    label: str
    icon: str
    verb: str
    does: Callable[[str, Actor], object]


def _submit(campaign: str, actor: Actor) -> object:
    return ledger.submit(campaign, actor=actor, now=now())


def _approve(campaign: str, actor: Actor) -> object:
    return campaigning.approve(campaign, actor=actor, now=now())


def _launch(campaign: str, actor: Actor) -> object:
    return campaigning.launch(campaign, actor=actor, now=now())


def _close(campaign: str, actor: Actor) -> object:
    return ledger.close(campaign, "", actor=actor, now=now())


SUBMIT = Step("submit", "Ask for approval", ":material/how_to_reg:", "draft", _submit)
APPROVE = Step("approve", "Approve", ":material/verified:", "approve", _approve)
LAUNCH = Step("launch", "Launch", ":material/rocket_launch:", "launch", _launch)
WITHDRAW = Step("withdraw", "Withdraw", ":material/block:", "close", _close)
END = Step("close", "Close the campaign", ":material/check_circle:", "close", _close)
NEXT = {DRAFT: (APPROVE, SUBMIT, WITHDRAW), AWAITING: (APPROVE, WITHDRAW), APPROVED: (LAUNCH, WITHDRAW),
        LAUNCHED: (END,), CLOSED: ()}
FIRST = (APPROVE, LAUNCH)


def steps(here: Here, there: Campaign) -> None:
    """The way across, who took which step, and the buttons of the next one."""
    with card("Where it stands"):
        st.markdown(" → ".join(f"**{name}**" if there.status in states else f":gray[{name}]" for name, states in WAY))
        st.caption(escaped(_history(there)))
        if there.status in (DRAFT, AWAITING):
            st.caption(escaped(_limit(here, there)))
        _buttons(here, there)


def _history(there: Campaign) -> str:
    taken = [(name, step) for name in DID if (step := there.step(name))]
    return " · ".join(f"{DID[name]} {step.by} on {step.at:%d %b %Y, %H:%M} UTC" for name, step in taken)


def _limit(here: Here, there: Campaign) -> str:
    """Who may approve it."""
    most = rules(here.dataset.name, actor=here.actor).spend_limit
    said = f"It is expected to spend {money(there.spend, there.currency)}"
    if there.spend <= most:
        return f"{said}, within the {money(most, there.currency)} that need no second person."
    return f"{said}, above {money(most, there.currency)}: a manager who did not write it must approve it."


def _buttons(here: Here, there: Campaign) -> None:
    with st.container(horizontal=True):
        for step in (step for step in NEXT[there.status] if here.may(step.verb)):
            if st.button(step.label, key=f"campaign_{step.key}", icon=step.icon,
                         type="primary" if step in FIRST else "secondary"):
                with told():
                    step.does(there.id, here.actor)
                    st.rerun()
