"""What a person has decided of their files, kept with the session; the proposal follows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

import streamlit as st

from engine import onboarding
from engine.files import short_hash
from engine.onboarding import Proposal
from engine.schema import Actor
from engine.uploads import Upload
from ui import state

FIELDS = ("data_part_", "data_positive_", "data_period_", "data_uses_", "data_cure_")
DECIDED = ("_data_said_", "_data_written_", "_data_rows_")


@dataclass
class Said:
    """What was said otherwise than proposed: parts by role, uses by column, cures by place."""

    parts: dict[str, str] = field(default_factory=dict)
    uses: dict[str, str] = field(default_factory=dict)
    cures: dict[int, bool] = field(default_factory=dict)

    @property
    def anything(self) -> bool:
        """Whether the proposal is changed at all."""
        return bool(self.parts or self.uses or self.cures)


@dataclass(frozen=True)
class Asked:
    """What the files do not say: the dataset's name, the day they were drawn, the label's window, the currency."""

    name: str
    drawn: date | None = None
    days: int | None = None
    currency: str = ""
    anew: bool = False
    adapter: str = ""

    @property
    def observed_until(self) -> datetime | None:
        """The day they were drawn, as a moment."""
        return datetime.combine(self.drawn, time()) if self.drawn else None

    @property
    def options(self) -> dict[str, Any]:
        """What `run` is told besides."""
        told = {"horizon_days": self.days, "currency": self.currency}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class Form:
    """The doctor's proposal as it is shown, and the same as the person wants it.

    key: ends the key of every field, and is another as soon as something else is proposed: no field then keeps what was
    chosen of what was proposed before, and nothing that was said of that is done to this. own: the key of what the
    doctor proposed, where `first` is what a person wrote instead.
    """

    key: str
    own: str
    first: Proposal
    final: Proposal

    @property
    def changed(self) -> bool:
        """Whether the person wants anything else than the doctor."""
        return self.key != self.own or said(self.key).anything


def said(key: str) -> Said:
    """What was decided so far of the proposal that is shown under that key."""
    found: Said = st.session_state.setdefault(f"_data_said_{key}", Said())
    return found


def form(upload: Upload, asked: Asked, actor: Actor) -> Form:
    """What the doctor proposes and what the person makes of it; each made once for the same files and words."""
    brought = upload.mapping.read_text(encoding="utf-8") if upload.mapping else ""
    told = (len(upload.sources), asked, brought)
    first = _once(f"_data_first_{upload.token}", told, lambda: _proposed(upload, asked, brought, actor))
    own = key = f"{upload.token}_{_stamp(first)}"
    text = st.session_state.get(f"_data_written_{own}", "")
    if text:
        doctors = first
        first = _once(f"_data_rewritten_{upload.token}", (*told, text),
                      lambda: onboarding.amended(doctors, mapping=text))
        key = f"{own}_{short_hash(text)}"
    decided = said(key)
    if not decided.anything:
        return Form(key, own, first, first)
    final = _once(f"_data_final_{upload.token}", (*told, text, repr(decided)), lambda: onboarding.amended(
        first, parts=decided.parts, uses=decided.uses, cures=decided.cures))
    return Form(key, own, first, final)


def rewrite(upload: Upload, shown: Form, text: str) -> None:
    """Take the text as the mapping from now on, in place of all that was said before; EngineError where it is none."""
    onboarding.amended(shown.first, mapping=text)
    forget(upload)
    st.session_state[f"_data_written_{shown.own}"] = text


def forget(upload: Upload) -> None:
    """All that was said of the files, and the fields that said it."""
    for key in [key for key in st.session_state if isinstance(key, str) and upload.token in key
                and key.startswith((*FIELDS, *DECIDED))]:
        del st.session_state[key]


def _stamp(proposal: Proposal) -> str:
    """A few digits that change with what there is to choose: another day or currency changes nothing of it."""
    table = proposal.adapter == "table"
    parts = [(part.role, part.column, part.value) for part in proposal.parts if table and part.role != "currency"]
    uses = [(part.column, part.role) for part in proposal.columns]
    cures = [(sorted(cure.spec.items()), cure.on) for cure in proposal.cures]
    return short_hash(proposal.adapter, proposal.name if proposal.refresh else "", parts, uses, cures)


def _proposed(upload: Upload, asked: Asked, brought: str, actor: Actor) -> Proposal:
    mapping = onboarding.read_mapping(brought) if brought else None
    return onboarding.propose(upload.sources, name=asked.name, actor=actor, now=state.now(), mapping=mapping,
                              observed_until=asked.observed_until, anew=asked.anew, options=asked.options,
                              adapter=asked.adapter or None)


def _once(key: str, told: Any, make: Callable[[], Proposal]) -> Proposal:
    kept = st.session_state.get(key)
    if kept is None or kept[0] != told:
        with st.spinner("Reading and examining every column"):
            kept = st.session_state[key] = (told, make())
    found: Proposal = kept[1]
    return found
