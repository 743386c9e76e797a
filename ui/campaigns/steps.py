"""One campaign's way: where it stands, and the steps that can be taken next by whoever may take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine import campaigning
from engine.campaign import ledger
from engine.campaign.ledger import Campaign
from engine.campaign.outcomes import last_day
from engine.campaign.rules import rules
from engine.campaign.tables import APPROVED, AWAITING, CLOSED, DRAFT, LAUNCHED
from engine.errors import EngineError
from engine.evidence import power
from engine.schema import Actor, money, plural
from ui.components import card, escaped
from ui.state import Here, now

WAY = (("Draft", (DRAFT,)), ("Approval", (AWAITING, APPROVED)), ("Under way", (LAUNCHED,)), ("Closed", (CLOSED,)))
DID = {"created": "Written by", "submitted": "Approval asked for by", "approved": "Approved by",
       "launched": "Launched by", "closed": "Closed by"}
IN_THE_WAY = "_campaign_in_the_way"


@dataclass(frozen=True)
class Size:
    """How much a campaign is: customers treated and held out, calls among the treated; and whether that can show what
    the plan expects, in words."""

    treated: int
    held_out: int
    calls: int
    foretold: str = ""

    @staticmethod
    def of(inside: Any) -> Size:
        """The size of a campaign with these customers."""
        treated = inside[~inside["holdout"].astype(bool)]
        held = len(inside) - len(treated)
        said = power.foretold(float(inside["churn_probability"].mean()), float(treated["uplift"].mean()), held,
                              len(treated))
        return Size(len(treated), held, int((treated["minutes"].fillna(0) > 0).sum()), said)


@dataclass(frozen=True)
class Step:
    """A step that can be taken: what the button says, what it does, which verb allows it, and what it means in a few
    lines, to be read before it is taken; none where it can be taken back."""

    key: str
    label: str
    icon: str
    verb: str
    does: Callable[[str, Actor], object]
    means: Callable[[Campaign, Size], Sequence[str]] | None = None


def _submit(campaign: str, actor: Actor) -> object:
    return ledger.submit(campaign, actor=actor, now=now())


def _approve(campaign: str, actor: Actor) -> object:
    return campaigning.approve(campaign, actor=actor, now=now())


def _launch(campaign: str, actor: Actor) -> object:
    return campaigning.launch(campaign, actor=actor, now=now())


def _close(campaign: str, actor: Actor) -> object:
    return ledger.close(campaign, "", actor=actor, now=now())


def _spend(there: Campaign) -> str:
    whence = f", of the budget {there.budget}" if there.budget else ""
    return f"Expected cost: {money(there.spend, there.currency)}{whence}."


def _who(size: Size) -> str:
    return (f"Customers: {size.treated:,} get their offer; {size.held_out:,} are held out, never contacted, to measure "
            "it.")


def _approving(there: Campaign, size: Size) -> Sequence[str]:
    shows = [size.foretold] if size.foretold else []
    return [_spend(there), _who(size), *shows, "What follows: the draft can no longer be changed, only launched or "
            "withdrawn. Your name stands beside the approval."]


def _launching(there: Campaign, size: Size) -> Sequence[str]:
    calls = f" {plural(size.calls, 'conversation goes', 'conversations go')} on the save desk." if size.calls else ""
    return [_spend(there), _who(size),
            f"What cannot be undone: who is treated and who is held out is written down for good, for the "
            f"{there.horizon_days} days of the window; each offer counts as a contact from now on.{calls}",
            "Nothing is sent by itself: the files for your tools are made after the launch."]


def _withdrawing(_there: Campaign, size: Size) -> Sequence[str]:
    return [f"What cannot be undone: the plan for {plural(size.treated + size.held_out, 'customer')} and its messages "
            "are forgotten. Nobody has been contacted."]


def _ending(there: Campaign, _size: Size) -> Sequence[str]:
    early = there.ends is not None and now() < last_day(there.ends)
    return ["What cannot be undone: its files can no longer be made and no more outcomes are taken in; the result "
            "stands as it is.", "Those held out may be contacted again.",
            *([f"Too early: the window ends on {there.ends:%d %b %Y}; closed before, it shows a part only, and no "
               "later plan will ever learn from it."] if early else [])]


SUBMIT = Step("submit", "Ask for approval", ":material/how_to_reg:", "draft", _submit)
APPROVE = Step("approve", "Approve", ":material/verified:", "approve", _approve, _approving)
LAUNCH = Step("launch", "Launch", ":material/rocket_launch:", "launch", _launch, _launching)
WITHDRAW = Step("withdraw", "Withdraw", ":material/block:", "close", _close, _withdrawing)
END = Step("close", "Close the campaign", ":material/check_circle:", "close", _close, _ending)
NEXT = {DRAFT: (APPROVE, SUBMIT, WITHDRAW), AWAITING: (APPROVE, WITHDRAW), APPROVED: (LAUNCH, WITHDRAW),
        LAUNCHED: (END,), CLOSED: ()}


def steps(here: Here, there: Campaign, inside: Any, warnings: Sequence[str] = ()) -> None:
    """The way across, who took which step, what to know before it is approved, and the buttons of the next one."""
    with card("Where it stands"):
        st.markdown(" → ".join(f"**{name}**" if there.status in states else f":gray[{name}]" for name, states in WAY))
        st.caption(escaped(_history(there)))
        if there.status in (DRAFT, AWAITING):
            st.caption(escaped(_limit(here, there)))
            if foretold := Size.of(inside).foretold:
                st.caption(f":material/balance: {escaped(foretold)}")
            for said in warnings:
                st.warning(escaped(said), icon=":material/contact_mail:")
        if problem := st.session_state.pop(IN_THE_WAY, ""):
            st.error(escaped(problem), icon=":material/error:")
        _buttons(here, there, Size.of(inside))


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


def _offered(here: Here, there: Campaign) -> list[Step]:
    """The steps that this person may take; whoever must have it approved by somebody else asks for that."""
    found = [step for step in NEXT[there.status] if here.may(step.verb)]
    most = rules(here.dataset.name, actor=here.actor).spend_limit
    barred = APPROVE in found and ledger.why_not_approve(there, most, here.actor)
    return [step for step in found if not (step is APPROVE and barred)]


def _buttons(here: Here, there: Campaign, size: Size) -> None:
    offered = _offered(here, there)
    with st.container(horizontal=True):
        for step in offered:
            pressed = st.button(step.label, key=f"campaign_{step.key}", icon=step.icon,
                                type="primary" if step is offered[0] and step not in (WITHDRAW, END) else "secondary")
            if pressed and step.means:
                _sure(step, there, size, here.actor)
            elif pressed:
                _take(step, there.id, here.actor)
                st.rerun()


def _sure(step: Step, there: Campaign, size: Size, actor: Actor) -> None:
    """Say what the step means before it is taken."""

    @st.dialog(f"{step.label}: {there.name}", icon=step.icon)
    def ask() -> None:
        lines = (step.means or _ending)(there, size)
        st.markdown("\n".join(f"- {_bold(line)}" for line in lines))
        with st.container(horizontal=True):
            taken = st.button(step.label, key=f"campaign_{step.key}_sure", icon=step.icon, type="primary",
                              on_click=_take, args=(step, there.id, actor))
            if st.button("Not yet", key=f"campaign_{step.key}_not") or taken:
                st.rerun()

    ask()


def _bold(line: str) -> str:
    """The line with what stands before its first colon in bold."""
    head, colon, rest = line.partition(":")
    return f"**{escaped(head)}**{colon}{escaped(rest)}" if colon else escaped(line)


def _take(step: Step, campaign: str, actor: Actor) -> None:
    """Take the step; what stands in its way is shown where the campaign stands."""
    try:
        step.does(campaign, actor)
    except EngineError as problem:
        st.session_state[IN_THE_WAY] = str(problem)
