"""Messages for a whole campaign: whichever writer is chosen, in batches, each customer with what may be said of why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from engine.campaign.chat import settings_of
from engine.campaign.checking import FORMS
from engine.campaign.llm import LlmWriter
from engine.campaign.messages import (
    LONGEST_SENDER,
    Brief,
    Message,
    Writer,
    best_of,
    brief_of,
    template,
    with_fallback,
)
from engine.campaign.sms import length
from engine.decision.playbooks import Playbook
from engine.errors import EngineError, choose
from engine.progress import Part
from engine.schema import Actor

BATCH = 500


@dataclass(frozen=True)
class Commission:
    """For what a writer is wanted: the dataset, by whom, from when on (naive UTC); sleep waits between tries."""

    about: str
    actor: Actor
    now: datetime
    sleep: Callable[[float], None] = time.sleep


def _template(_commission: Commission) -> Writer:
    return template


def _llm(commission: Commission) -> Writer:
    model = LlmWriter(settings_of(), commission.about, commission.actor, commission.now, commission.sleep)
    return with_fallback(model, template)


WRITERS: Mapping[str, Callable[[Commission], Writer]] = {"template": _template, "llm": _llm}


def writer(name: str, commission: Commission) -> Writer:
    """The writer of that name, ready to write.

    Raises:
        EngineError: when there is none, or the language model is not set up.
    """
    return choose("writer", name, WRITERS)(commission)


def write_messages(customers: pd.DataFrame, book: Playbook, write: Writer, *, sender: str, seed: int,
                   reasons: pd.DataFrame | None = None, part: Part | None = None) -> pd.DataFrame:
    """One message per customer, 500 at a time.

    Args:
        customers: customer_id and treatment; channel and first_name where they are known.
        sender: the company as customers know it, at most 30 characters. seed: the campaign's, which draws the variants.
        reasons: REASONS rows of the run: what raises the customer's risk and may be said is told as the reason.
        part: told after each batch how many are written, of how many.

    Returns:
        A frame with the index of `customers`: message, message_source, variant, and problem: "" or why it may not be
        sent, in which case message is empty.
    """
    briefs = _briefs(customers, book, checked_sender(sender), seed, spoken(reasons, book))
    rows, total = [], len(customers)
    for begin in range(0, total, BATCH):
        rows += [_row(write(next(briefs))) for _ in range(min(BATCH, total - begin))]
        if part:
            part(len(rows), total)
    return pd.DataFrame(rows, index=customers.index, columns=["message", "message_source", "variant", "problem"])


def _row(message: Message) -> tuple[str, str, int, str]:
    return "" if message.problems else message.text, message.source, message.variant, " ".join(message.problems)


def checked_sender(sender: str) -> str:
    """The sender's name, trimmed; EngineError where it is none that fits into a message."""
    sender = " ".join(sender.split())
    if not 0 < len(sender) <= LONGEST_SENDER or any(mark in sender for mark in "{}<>[]"):
        raise EngineError(f"{sender!r} cannot stand in a message as its sender. Give the company's name as customers "
                          f"know it, in 1 to {LONGEST_SENDER} characters without brackets.")
    return sender


def _briefs(customers: pd.DataFrame, book: Playbook, sender: str, seed: int, why: Mapping[str, str]) -> Iterator[Brief]:
    known: dict[tuple[str, str, str], Brief] = {}
    blank = pd.Series("", index=customers.index)
    names, channels = customers.get("first_name", blank), customers.get("channel", blank)
    for who, treatment, channel, name in zip(customers["customer_id"], customers["treatment"], channels, names,
                                             strict=True):
        reason = why.get(who, "")
        key = (treatment, channel if isinstance(channel, str) else "", reason)
        if key not in known:
            known[key] = _brief(book, sender, *key)
        yield replace(known[key], first_name=name if isinstance(name, str) else "", customer_id=str(who), seed=seed)


def _brief(book: Playbook, sender: str, treatment: str, channel: str, reason: str) -> Brief:
    chosen = choose(f"treatment in the {book.sector} playbook", treatment, book.treatments)
    brief = brief_of(book, chosen, sender, reasons=(reason,) if reason else ())
    return replace(brief, channel=channel) if channel else brief


def spoken(reasons: pd.DataFrame | None, book: Playbook) -> dict[str, str]:
    """What may be said to each customer: the playbook's words for the strongest driver that raises the risk and has
    any. What the playbook does not name is never told."""
    if reasons is None or not book.reasons:
        return {}
    raising = reasons[reasons["contribution"] > 0].sort_values("rank", kind="stable")
    words = {feature: reason_for(str(feature), book.reasons) for feature in raising["feature"].unique()}
    said = raising.assign(said=raising["feature"].map(words))
    said = said[said["said"] != ""].drop_duplicates("customer_id")
    return dict(zip(said["customer_id"].astype(str), said["said"], strict=True))


def reason_for(feature: str, reasons: Mapping[str, str]) -> str:
    """The words for a driver: its own, else those of the first entry that its name contains; "" where there are none.

    >>> reason_for("tickets_90d", {"tickets": "Support took long."}), reason_for("gender", {"tickets": "Slow."})
    ('Support took long.', '')
    """
    if feature in reasons:
        return reasons[feature]
    return next((words for name, words in reasons.items() if name in feature), "")


def previews(book: Playbook, *, sender: str, first_name: str = "Sam", treatments: Sequence[str] = (),
             write: Writer | None = None) -> pd.DataFrame:
    """What would be said, before anybody is written to: each treatment with each of its variants.

    Args:
        treatments: those alone. write: a writer whose one message per treatment is shown instead of the variants.

    Returns:
        treatment, channel, variant, text, units (as an SMS; characters elsewhere), source, problem ("" = may be sent).
    """
    chosen = [choose(f"treatment in the {book.sector} playbook", name, book.treatments)
              for name in treatments or book.treatments]
    rows = []
    for treatment in chosen:
        reason = next(iter(book.reasons.values()), "")
        brief = brief_of(book, treatment, checked_sender(sender), reasons=(reason,) if reason else ())
        brief = replace(brief, first_name=first_name)
        if treatment.channel in FORMS:
            rows += [(treatment.name, treatment.channel, *_shown(made, treatment.channel))
                     for made in ([write(brief)] if write else _variants(brief))]
    return pd.DataFrame(rows, columns=["treatment", "channel", "variant", "text", "units", "source", "problem"])


def _variants(brief: Brief) -> list[Message]:
    """Every variant of its own; the plain line where the playbook has none."""
    own = [best_of((text,), brief, brief.task, "template") for text in brief.texts]
    found = [replace(made, variant=place) for place, made in enumerate(own) if made]
    return found or [template(brief)]


def _shown(made: Message, channel: str) -> tuple[int, str, int, str, str]:
    units = length(made.text).units if FORMS[channel].sms else len(made.text)
    return made.variant, made.text, units, made.source, " ".join(made.problems)
