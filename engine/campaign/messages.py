"""What is said to a customer: a brief, the message made of it, and the writer that needs nothing but the playbook.

A text is written once per treatment with tokens in it and becomes a message by filling them: {first_name}, {offer},
{reason}, {sender}, {opt_out}. Of several variants a customer gets the one that the campaign's seed draws by
customer_id, or the next one that keeps every check. A name that does not fit, or does not look like one, is left out,
never cut.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.campaign.checking import CHECKS, FORMS, OPT_OUT, Rules
from engine.campaign.claims import claims, terms
from engine.campaign.sms import plainly
from engine.decision.playbooks import Playbook, Treatment

TOKENS = ("first_name", "offer", "reason", "sender", "opt_out")
PLAIN = (
    "Hi {first_name}, this is {sender}. Is there anything that we can do better for you? Just tell us.",
    "Hi {first_name}, {sender} here. How are things going? If something bothers you, we want to hear it.",
)
LONGEST_NAME = 24
TRIAL_NAMES = ("Samantha", "")
WHOM, STAND_IN = "\x00", "Sam"
LONGEST_SENDER = 30
NAME = re.compile(r"[^\W\d_]+(?:[ '’.-]{1,2}[^\W\d_]+)*\.?")
NAMELESS = (re.compile(r"^\{first_name\}[,:!.]?\s*"), re.compile(r"(?<=hi|ey|lo|ar) \{first_name\}", re.IGNORECASE),
            re.compile(r",? ?\{first_name\}"))


@dataclass(frozen=True)
class Brief:
    """What a message is written for.

    words: what the team does; offer: what the customer gets, in the customer's words; reasons: what may be said of why,
    the strongest first; texts: the playbook's variants. The last three fields are about one customer; no writer lets
    them out of this process.
    """

    treatment: str
    words: str
    channel: str
    sector: str
    sender: str
    texts: tuple[str, ...] = ()
    offer: str = ""
    reasons: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    opt_out: str = OPT_OUT
    first_name: str = ""
    customer_id: str = ""
    seed: int = 0

    @property
    def rules(self) -> Rules:
        """What its messages are held against."""
        return Rules(self.channel, self.sender, (self.words, self.offer), self.opt_out, self.banned)

    @property
    def task(self) -> Brief:
        """The same for everybody: nothing of one customer is in it."""
        return replace(self, first_name="", customer_id="", seed=0)


@dataclass(frozen=True)
class Message:
    """A text for one customer: who wrote it, which of the writer's variants it is, and what keeps it from being sent.

    source: "template", "llm", or "template (llm: why not)". text "" with no problems: the channel says nothing.
    """

    text: str
    source: str
    variant: int = 0
    problems: tuple[str, ...] = ()


Writer = Callable[[Brief], Message]


def offered(treatment: Treatment) -> str:
    """What the customer gets, as it is told: "10% off for 6 months", "1 month free".

    "" where the treatment's words do not promise it: a share of revenue may stand for what a smaller plan costs us.
    """
    told = f"{_months(treatment.free_months)} free" if treatment.free_months else ""
    if treatment.offer_share:
        told = f"{100 * treatment.offer_share:g}% off for {_months(treatment.offer_months)}"
    return told if claims(told) <= terms(treatment.words) else ""


def _months(count: float) -> str:
    return f"{count:g} month{'' if count == 1 else 's'}"


def drawn(customer_id: str, seed: int, variants: int) -> int:
    """Which of so many variants a customer gets: by id and seed alone, each equally often, whatever else is drawn.

    >>> [drawn(f"C{number}", 7, 2) for number in range(8)] == [drawn(f"C{number}", 7, 2) for number in range(8)]
    True
    """
    told = hashlib.sha256(f"variant\x1f{seed}\x1f{customer_id}".encode()).digest()
    return int.from_bytes(told[:8], "big") % variants


@lru_cache(maxsize=65_536)
def shown_name(name: str) -> str:
    """The name as a greeting shows it; "" for what does not look like a name, such as an order or an address.

    >>> shown_name(" ANNE-MARIE "), shown_name("Jürgen"), shown_name("=cmd()"), shown_name("Bob, get 50% off")
    ('Anne-Marie', 'Jürgen', '', '')
    """
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        return ""
    return name.title() if len(name) > 2 and (name.isupper() or name.islower()) else name


def template(brief: Brief) -> Message:
    """A message from the playbook's texts, or from two plain lines where it has none that fits; needs no key."""
    if brief.channel not in FORMS:
        return Message("", "template")
    task = brief.task
    told = best_of(brief.texts, brief, task, "template")
    return told if told and not told.problems else best_of(PLAIN, brief, task, "template") or _nothing("template")


def _nothing(source: str) -> Message:
    return Message("", source, problems=("No text fits.",))


def best_of(texts: Sequence[str], brief: Brief, task: Brief, source: str) -> Message | None:
    """The drawn text with its tokens filled, or the next one that keeps every check; None where there is no text.

    Where none does, the drawn one with its problems.
    """
    name, places = shown_name(brief.first_name), _places(len(texts), brief)
    tried = ((place, filled(texts[place], task, called)) for place in places for called in dict.fromkeys((name, "")))
    first: Message | None = None
    for place, (text, wrong) in tried:
        made = Message(text, source, place, wrong)
        if not wrong:
            return made
        first = first or made
    return first


def _places(variants: int, brief: Brief) -> Iterator[int]:
    begin = drawn(brief.customer_id, brief.seed, variants) if variants else 0
    return ((begin + step) % variants for step in range(variants))


def filled(text: str, task: Brief, name: str) -> tuple[str, tuple[str, ...]]:
    """The text with its tokens filled, sender and opt-out where the channel needs them; and what is wrong with it.

    >>> acme = Brief("t", "Give 10 % off for six months.", "sms", "telecom", "Acme", offer="10% off for 6 months")
    >>> filled("Hi {first_name}, take {offer}.", acme, "Ann")[0]
    'Acme: Hi Ann, take 10% off for 6 months. Reply STOP to opt out.'
    """
    prepared, wrong = _prepared(text, task, bool(name))
    text = prepared.replace(WHOM, plainly(name) if FORMS[task.channel].sms else name)
    long = CHECKS["length"](text, task.rules)
    return text, (*wrong, *((long,) if long else ()), *(_of_name(name, task.banned) if WHOM in prepared else ()))


@lru_cache(maxsize=4_096)
def _prepared(text: str, task: Brief, named: bool) -> tuple[str, tuple[str, ...]]:
    """The text but for the name, and what is wrong with it whoever reads it; all but its length."""
    form, known = FORMS[task.channel], _values(task)
    lacking = [token for token in ("offer", "reason") if f"{{{token}}}" in text and not known[token]]
    if form.opening and "{sender}" not in text:
        text = form.opening + text
    if form.opt_out and "{opt_out}" not in text:
        text = f"{text.rstrip()} {{opt_out}}."
    text = _fill(text if named else nameless(text), known)
    text = plainly(text) if form.sms else text
    found = (check(text.replace(WHOM, STAND_IN), task.rules) for name, check in CHECKS.items() if name != "length")
    return text, (*(f"There is no {token} to tell." for token in lacking), *(problem for problem in found if problem))


@lru_cache(maxsize=65_536)
def _of_name(name: str, banned: tuple[str, ...]) -> tuple[str, ...]:
    """What the name itself would say: there are people called Promise."""
    rules = Rules("email", "", banned=banned)
    return tuple(problem for check in ("banned phrase", "truth") if (problem := CHECKS[check](name, rules)))


def _values(task: Brief) -> Mapping[str, str]:
    return {"first_name": WHOM, "offer": task.offer, "reason": task.reasons[0] if task.reasons else "",
            "sender": task.sender, "opt_out": task.opt_out}


def _fill(text: str, known: Mapping[str, str]) -> str:
    """All tokens at once, so that a value that looks like a token stays what it is."""
    return re.sub(r"\{(\w+)\}", lambda token: known.get(token[1], token[0]), text)


def nameless(text: str) -> str:
    """The text for a customer whose name is not known.

    >>> nameless("Hi {first_name}, welcome."), nameless("{first_name}, we care."), nameless("Thanks, {first_name}!")
    ('Hi, welcome.', 'We care.', 'Thanks!')
    """
    for pattern in NAMELESS:
        text = pattern.sub("", text)
    return text[:1].upper() + text[1:]


def with_fallback(first: Writer, second: Writer) -> Writer:
    """A writer that takes the second's message where the first's may not be sent, and says why in its source."""

    def write(brief: Brief) -> Message:
        made = first(brief)
        if not made.problems:
            return made
        told = second(brief)
        return replace(told, source=f"{told.source} ({made.source}: {made.problems[0].rstrip('.')})")

    return write


def text_problems(book: Playbook, sender: str = "Holdfast") -> list[str]:
    """What is wrong with the texts of a playbook, each with its place; empty when all of them can be sent.

    Each text is tried with a name, with each reason of the playbook, and without both.
    """
    return [f"[treatments.{treatment.name}] messages, item {place + 1}: {wrong}"
            for treatment in book.treatments.values() for place, text in enumerate(treatment.messages)
            for wrong in _wrong(text, book, treatment, sender)]


def _wrong(text: str, book: Playbook, treatment: Treatment, sender: str) -> list[str]:
    if treatment.channel not in FORMS:
        return [f"The channel {treatment.channel!r} carries no text."]
    reasons: list[tuple[str, ...]] = [(reason,) for reason in book.reasons.values()] if "{reason}" in text else [()]
    tasks = [brief_of(book, treatment, sender, reasons=reason) for reason in reasons]
    return list(dict.fromkeys(wrong for task in tasks for name in TRIAL_NAMES for wrong in filled(text, task, name)[1]))


def brief_of(book: Playbook, treatment: Treatment, sender: str, *, reasons: tuple[str, ...] = ()) -> Brief:
    """What a writer is told about one treatment of a playbook, for everybody with these reasons."""
    return Brief(treatment.name, treatment.words, treatment.channel, book.sector, sender, treatment.messages,
                 offered(treatment), reasons, book.banned)
