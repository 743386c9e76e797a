"""Words from a language model behind the chat completions protocol that most servers speak.

The model is told what a treatment is and never of whom: a request holds the playbook's words and the token
{first_name}, nothing that a customer's record says. So one request serves everybody with the same treatment and reason,
and what comes back is held against the same checks as any text. Each request is one of a hundred an hour, counted in
the audit log for all processes; answers are kept by what was asked. Whatever fails is a message with a problem, for
which `with_fallback` has the template's.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine import limits, saved
from engine.campaign.chat import Asked, ChatSettings, NoAnswer, ask
from engine.campaign.checking import FORMS, MOST_CHARACTERS
from engine.campaign.messages import Brief, Message, best_of, filled
from engine.errors import EngineError
from engine.permissions import allow
from engine.schema import Actor

VERB = "write"
MOST_REQUESTS, PER_SECONDS = 100, 3_600.0
VARIANTS = 4
ROOM_FOR_NAME = 12
GIVE_UP_AFTER = 3
SYSTEM = (
    "You write short messages from a company to one of its customers. You answer with one JSON object and nothing "
    'else: {"texts": ["...", "..."]}. Each text is plain English in one line, warm, factual and calm, without links, '
    "numbers, prices, dates, deadlines, gifts or promises other than those in the_customer_gets and what_we_do. Greet "
    "with the token {first_name} exactly so, once; use no other token, no signature and no opt-out line. Never say "
    "that the customer might leave, is watched or was scored."
)


@dataclass
class LlmWriter:
    """A writer that asks the model, at most once for the same task; `happened` counts what came of it.

    now: when the work begins, naive UTC; time goes on from there. about: the dataset, for the audit log.
    """

    settings: ChatSettings
    about: str
    actor: Actor
    now: datetime
    sleep: Callable[[float], None] = time.sleep
    happened: Counter[str] = field(default_factory=Counter)
    _begun: float = field(default_factory=time.monotonic)
    _told: dict[Brief, tuple[str, ...] | NoAnswer] = field(default_factory=dict)
    _kept: Mapping[str, Any] | None = None
    _unanswered: int = 0
    _hopeless: NoAnswer | None = None

    def __post_init__(self) -> None:
        allow(self.actor, VERB)

    def __call__(self, brief: Brief) -> Message:
        """A message from the model's texts, or one with problems and no text."""
        if brief.channel not in FORMS:
            return Message("", "llm")
        task = brief.task
        if task not in self._told:
            self._told[task] = self._texts(task)
        told = self._told[task]
        if isinstance(told, NoAnswer):
            return Message("", "llm", problems=(str(told),))
        made = best_of(told, brief, task, "llm")
        assert made is not None, "Texts without any would be a NoAnswer."
        unfit = ("no text fits", *made.problems)
        return Message("", "llm", problems=unfit) if made.problems else made

    def _texts(self, task: Brief) -> tuple[str, ...] | NoAnswer:
        asked = request(task)
        try:
            if found := self._remembered(asked):
                return usable(found, task)
            answer = self._answer(asked)
            good = usable(answer, task)
        except NoAnswer as why:
            self.happened[str(why)] += 1
            return why
        saved.keep("words", self.about, self._key(asked), {"answer": answer}, actor=self.actor, now=self._moment())
        return good

    def _remembered(self, asked: str) -> str:
        if self._kept is None:
            self._kept = {one.name: one.content for one in saved.kept("words", self.about, actor=self.actor)}
        found: str = self._kept.get(self._key(asked), {}).get("answer", "")
        self.happened["remembered"] += bool(found)
        return found

    def _answer(self, asked: str) -> str:
        if self._hopeless:
            raise self._hopeless
        try:
            told = ask(self.settings, SYSTEM, asked, self._permitted, self.sleep)
        except NoAnswer as why:
            self._unanswered += 1
            self._hopeless = why if why.final or self._unanswered >= GIVE_UP_AFTER else None
            raise
        self._unanswered = 0
        self.happened["tokens"] += told.tokens
        return told.text

    def _permitted(self, asked: Asked) -> None:
        """Count one more request, or raise NoAnswer: beyond the token budget or the hour's requests."""
        if self.happened["tokens"] + asked.tokens > self.settings.token_budget:
            raise NoAnswer("token budget spent", final=True)
        detail = {"model": self.settings.model, "sha256": asked.sha256, "tokens": asked.tokens}
        try:
            limits.take(self.actor, VERB, self.about, MOST_REQUESTS, PER_SECONDS, self._moment(), detail)
        except EngineError as why:
            raise NoAnswer("over the hourly limit", final=True) from why
        self.happened["requests"] += 1

    def _moment(self) -> datetime:
        return self.now + timedelta(seconds=time.monotonic() - self._begun)

    def _key(self, asked: str) -> str:
        return hashlib.sha256("\x1f".join((self.settings.model, SYSTEM, asked)).encode()).hexdigest()


def request(task: Brief) -> str:
    """What the model is told, as JSON: the playbook's words, nothing of a customer.

    >>> "Ann" in request(Brief("t", "Call.", "email", "retail", "Acme", first_name="Ann", customer_id="7").task)
    False
    """
    form = FORMS[task.channel]
    taken = (len(form.opening.format(sender=task.sender)) + ROOM_FOR_NAME
             + (len(task.opt_out) + 2 if form.opt_out else 0))
    return json.dumps({
        "channel": "a call's first line, to be spoken" if task.channel == "phone" else task.channel,
        "sector": task.sector, "company": task.sender, "what_we_do": task.words,
        "the_customer_gets": task.offer or "nothing beyond what_we_do",
        "may_be_said_as_the_reason": task.reasons[0] if task.reasons else "",
        "texts": VARIANTS, "most_characters_per_text": MOST_CHARACTERS - taken,
        "alphabet": "plain ASCII, no emoji" if form.sms else "plain text, no emoji",
    }, ensure_ascii=False)


def usable(answer: str, task: Brief) -> tuple[str, ...]:
    """The answer's texts that keep every check, for a customer with a name or without; NoAnswer when none does."""
    texts = parsed(answer)
    good = tuple(text for text in texts if not filled(text, task, "")[1])
    if not good:
        raise NoAnswer("broke the rules")
    return good


def parsed(answer: str) -> tuple[str, ...]:
    """The texts in the answer, each once; NoAnswer where it is not the JSON that was asked for.

    >>> parsed('```json\\n{"texts": ["Hi {first_name}.", "Hi {first_name}."]}\\n```')
    ('Hi {first_name}.',)
    """
    answer = answer.rpartition("</think>")[2]
    try:
        found = json.loads(answer[answer.find("{"):answer.rfind("}") + 1])
    except (ValueError, RecursionError) as why:
        raise NoAnswer("not the JSON wanted") from why
    texts = found.get("texts") if isinstance(found, dict) else None
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise NoAnswer("not the JSON wanted")
    return tuple(dict.fromkeys(" ".join(text.split()) for text in texts))[:VARIANTS]
