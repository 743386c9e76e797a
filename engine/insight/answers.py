"""Findings that need a person, and what people have answered: a severe one heads every figure until somebody has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine import catalog, saved, state
from engine.errors import EngineError
from engine.permissions import allow
from engine.saved import LONGEST_NAME, Saved
from engine.schema import Actor, Dataset, Finding, ModelCard

ASKING = ("severe", "warning")
LONGEST_ANSWER = 1_000


@dataclass(frozen=True)
class Asked:
    """A finding that asks for a person, and the answer: its reason under "reason", None while there is none."""

    finding: Finding
    answer: Saved | None


def name_of(finding: Finding) -> str:
    """The name under which the answer to a finding is kept."""
    return f"{finding.where}: {finding.what}"[:LONGEST_NAME].strip()


def findings(card: ModelCard, dataset: Dataset) -> tuple[Finding, ...]:
    """What was found when the model was learned and, where it has scored a later delivery of the data, in that one."""
    if card.version == dataset.version:
        return card.findings
    return tuple(dict.fromkeys([*catalog.findings(dataset), *card.findings]))


def asked(card: ModelCard, dataset: Dataset, actor: Actor) -> list[Asked]:
    """The findings that need a person: unanswered before answered, severe before warnings."""
    answers = {kept.name: kept for kept in saved.kept("answer", dataset.name, actor=actor)}
    found = [Asked(finding, answers.get(name_of(finding))) for finding in findings(card, dataset)
             if finding.severity in ASKING]
    return sorted(found, key=lambda one: (one.answer is not None, ASKING.index(one.finding.severity)))


def answer_finding(dataset: str, finding: Finding, reason: str, *, actor: Actor, now: datetime) -> Saved:
    """Keep why a finding need not be heeded any more, and record it.

    Raises:
        Refused: unless the actor is a manager.
        EngineError: when the reason is empty or longer than 1,000 characters.
    """
    allow(actor, "answer")
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_ANSWER:
        raise EngineError(f"Say in 1 to {LONGEST_ANSWER:,} characters why the finding has been dealt with.")
    kept = saved.keep("answer", dataset, name_of(finding), {"reason": reason}, actor=actor, now=now)
    state.record(actor, "answer", dataset, now, {"finding": kept.name, "reason": reason})
    return kept


def take_back(dataset: str, finding: Finding, *, actor: Actor, now: datetime) -> None:
    """Remove the answer to a finding, so that it asks again, and record it."""
    allow(actor, "answer")
    saved.forget("answer", dataset, name_of(finding), actor=actor)
    state.record(actor, "answer", dataset, now, {"finding": name_of(finding), "reason": ""})
