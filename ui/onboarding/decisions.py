"""What a person has decided of their files, kept with the session; the proposal follows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

import streamlit as st

from engine import onboarding
from engine.onboarding import Proposal
from engine.schema import Actor
from engine.uploads import Upload
from ui import state


@dataclass
class Said:
    """What was said otherwise than proposed: parts by role, uses by column, cures by place, or a whole mapping."""

    parts: dict[str, str] = field(default_factory=dict)
    uses: dict[str, str] = field(default_factory=dict)
    cures: dict[int, bool] = field(default_factory=dict)
    mapping: str = ""

    @property
    def anything(self) -> bool:
        """Whether the proposal is changed at all."""
        return bool(self.parts or self.uses or self.cures or self.mapping)


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


def said(upload: Upload) -> Said:
    """What was decided of this upload so far."""
    found: Said = st.session_state.setdefault(f"_data_said_{upload.token}", Said())
    return found


def proposal(upload: Upload, asked: Asked, actor: Actor) -> tuple[Proposal, Proposal]:
    """The doctor's own proposal, and the same as the person wants it; each made once for the same files and words."""
    brought = upload.mapping.read_text(encoding="utf-8") if upload.mapping else ""
    key = (len(upload.sources), asked, brought)
    first = _once(f"_data_first_{upload.token}", key, lambda: _proposed(upload, asked, brought, actor))
    told = said(upload)
    if not told.anything:
        return first, first
    changed = (*key, repr(told))
    return first, _once(f"_data_final_{upload.token}", changed, lambda: onboarding.amended(
        first, parts=told.parts, uses=told.uses, cures=told.cures, mapping=told.mapping))


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
