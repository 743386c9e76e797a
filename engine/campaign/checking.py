"""What a text must be before a customer may read it: the same checks for every writer, machine or person."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from engine.campaign.claims import claims, normal, terms
from engine.campaign.export import FORMULA
from engine.campaign.sms import length

MOST_CHARACTERS = 160
OPT_OUT = "Reply STOP to opt out"


@dataclass(frozen=True)
class Form:
    """What a channel asks of a text. sms: counted as networks count. opening: put before a text that does not name the
    sender; "" where the channel shows it. opt_out: the text says how to stop. tool: what the sending tool adds."""

    sms: bool = False
    opening: str = ""
    opt_out: bool = False
    tool: str = ""


FORMS: Mapping[str, Form] = {
    "sms": Form(sms=True, opening="{sender}: ", opt_out=True),
    "email": Form(tool="The e-mail tool adds the sender's address and the link to unsubscribe."),
    "phone": Form(opening="This is {sender}. ", tool="Said by a person; ask first whether it is a good moment."),
    "post": Form(opening="{sender}: ", tool="The letter's head carries the sender's address."),
    "app": Form(tool="The app shows the sender; its settings turn messages off."),
}

BANNED = (
    "act now", "act fast", "urgent", "urgently", "last chance", "final notice", "don't miss", "once in a lifetime",
    "click here", "winner", "congratulations", "risk-free", "no strings", "no obligation", "amazing", "!!", "???",
    "dear customer", "valued customer", "to whom it may concern", "we noticed", "we have noticed", "we see that you",
    "we know that you", "our records", "churn", "retention", "high risk", "at risk", "at-risk", "probability",
    "predict", "prediction", "our model", "algorithm", "lifetime value", "ltv", "segment", "uplift", "holdout",
    "before you leave", "you are leaving", "thinking of leaving", "as an ai", "language model", "i cannot", "i can't",
    "here is the", "here's the", "here is a", "system prompt", "instructions", "lorem ipsum",
)
PLACEHOLDER = re.compile(r"[{}<>]|\[[^\]]*\]|%[sd]\b|\$\w+\$|\bxxx+\b|\b(?:first|last|customer|your)[_ ]name\b",
                         re.IGNORECASE)
ADDRESS = re.compile(r"https?:|www\.|\S@\S|\b[\w-]+\.(?:com|net|org|io|co|info|biz|app|me|ly|shop|xyz|link|ru|de|uk|eu)"
                     r"\b", re.IGNORECASE)
ALPHABETS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


@dataclass(frozen=True)
class Rules:
    """What a text is held against: its channel, who sends it, how to stop it, what may be promised, what is banned."""

    channel: str
    sender: str
    terms: tuple[str, ...] = ()
    opt_out: str = OPT_OUT
    banned: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        """What the channel asks."""
        return FORMS[self.channel]


def problems(text: str, rules: Rules) -> tuple[str, ...]:
    """All that keeps the text from being sent, in words; empty = it may go.

    >>> problems("Hi Ann, 50% off for life!", Rules("email", "Acme", ("Give 10 % off for six months.",)))
    ('It promises 50 %, something without limit, which the offer does not contain.',)
    """
    found = (check(text, rules) for check in CHECKS.values())
    return tuple(problem for problem in found if problem)


def _of_length(text: str, rules: Rules) -> str:
    if not text.strip():
        return "It is empty."
    if rules.form.sms:
        counted = length(text)
        return "" if counted.fits else (f"It takes {counted.units} units of {counted.alphabet}; one SMS holds "
                                        f"{counted.most}.")
    return "" if len(text) <= MOST_CHARACTERS else f"It has {len(text)} characters; {MOST_CHARACTERS} are the most."


def _filled(text: str, _rules: Rules) -> str:
    left = PLACEHOLDER.search(text)
    return f"A placeholder is left: {left[0]}." if left else ""


def _printable(text: str, _rules: Rules) -> str:
    hidden = [letter for letter in text if unicodedata.category(letter) in HIDDEN and letter != "\u200d"]
    if hidden:
        return f"It holds a character that does not show (U+{ord(hidden[0]):04X})."
    mixed = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii() and len(_scripts(word)) > 1]
    if mixed:
        return f"The word {mixed[0]} mixes alphabets."
    return "It begins as a formula." if FORMULA.match(text) else ""


def _scripts(word: str) -> set[str]:
    """The alphabets of which the word's letters are, of those that look alike.

    >>> sorted(_scripts("fr\u0435e")), _scripts("Łódź")
    (['CYRILLIC', 'LATIN'], {'LATIN'})
    """
    return {script for letter in word if (script := unicodedata.name(letter, "").split(" ")[0]) in ALPHABETS}


def _named(text: str, rules: Rules) -> str:
    return "" if not rules.form.opening or rules.sender in text else "It does not say who sends it."


def _stoppable(text: str, rules: Rules) -> str:
    return "" if not rules.form.opt_out or rules.opt_out in text else "It does not say how to opt out."


def _decent(text: str, rules: Rules) -> str:
    heard = normal(_own_words(text, rules))
    for phrase, pattern in _banned(rules.banned):
        if pattern.search(heard):
            return f"It says {phrase!r}, which is banned."
    return ""


@lru_cache(maxsize=64)
def _banned(own: tuple[str, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((phrase, re.compile(rf"(?<!\w){re.escape(normal(phrase))}(?!\w)")) for phrase in (*BANNED, *own))


def _true(text: str, rules: Rules) -> str:
    more = claims(_own_words(text, rules)) - _allowed(rules.terms)
    return f"It promises {', '.join(sorted(more))}, which the offer does not contain." if more else ""


@lru_cache(maxsize=1024)
def _allowed(texts: tuple[str, ...]) -> frozenset[str]:
    return terms(*texts)


def _without_address(text: str, rules: Rules) -> str:
    found = ADDRESS.search(_own_words(text, rules))
    return f"It sends the reader elsewhere: {found[0]}." if found else ""


def _own_words(text: str, rules: Rules) -> str:
    """The text without the sender's name and the way to opt out, which are the company's own."""
    for part in (rules.opt_out, rules.sender):
        text = text.replace(part, " ") if part else text
    return text


CHECKS: Mapping[str, Callable[[str, Rules], str]] = {
    "length": _of_length,
    "placeholder": _filled,
    "printable": _printable,
    "sender": _named,
    "opt-out": _stoppable,
    "banned phrase": _decent,
    "truth": _true,
    "address": _without_address,
}
