"""Where no column says who left: those that come near by name, and those to look at for their values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from engine.data.doctor import consents, legends
from engine.data.doctor import vocabulary as words
from engine.data.doctor.abbreviations import spelled_out
from engine.data.doctor.looks import Look
from engine.data.doctor.recognise import FEW_STATES, Part
from engine.data.doctor.vocabulary import NO, YES, says
from engine.data.doctor.windows import said_besides

MOST_NEAR = 4
RARER, RAREST = 0.45, 0.03
SHORT = 3


def none_says(looks: Mapping[str, Look], ids: str, ranked: Sequence[Part]) -> tuple[Part, tuple[Part, ...]]:
    """That no column says who left, with those that come near by name and those to look at for their values."""
    seen = {name: replace(look, plain=_spelled(look)) for name, look in looks.items()}
    known = {ids, *(part.column for part in ranked)}
    named = [*ranked, *_nearly(seen, known)][:MOST_NEAR]
    valued = _by_values(seen, known | {part.column for part in named})[:MOST_NEAR - len(named)]
    told = "".join(f"; {part.column} comes near: {part.evidence}" for part in named)
    by_values = ", ".join(f"{part.column} ({part.evidence})" for part in valued)
    told += f"; by their values look at {by_values}" if valued else ""
    return Part("label", "", 0.0, f"no column says who left{told}"), (*named, *valued)


def _spelled(look: Look) -> str:
    """The column's plain name with abbreviations as words, and without what it says of its values."""
    return spelled_out(legends.in_words(look)[0].plain)


def _nearly(looks: Mapping[str, Look], known: Collection[str]) -> list[Part]:
    """Columns that may say who left by their names, of whose values nobody knows which mean it."""
    found = [Part("label", look.name, sure, f"{why}, and its values ({_some(look)}) do not show who left")
             for look in looks.values() if look.name not in known and _divides(look)
             for sure, why in [_near(look.plain)] if sure]
    return sorted(found, key=lambda part: -part.confidence)


def _near(name: str) -> tuple[float, str]:
    """How near a name comes to asking who left, below what is enough for a label, and why."""
    if says(name, f"{words.LEAVING}|{words.ENDED}") or re.fullmatch(words.MAY_LEAVE, name):
        return 0.3, "its name speaks of leaving"
    if says(name, words.LETTERED) and not said_besides(name, rf"{words.LETTERED}|{words.STATUS_BESIDES}"):
        return 0.2, "its name is that of a status"
    return 0.0, ""


def _divides(look: Look) -> bool:
    """Whether a column parts the rows in a few groups: by its values, or by whether there is one."""
    if says(look.plain, rf"{words.FORMER}|{words.NOT_LEAVING}|{words.REMAINING}"):
        return False
    most = 3 if look.kind == "number" and not says(look.plain, words.LETTERED) else FEW_STATES
    few = look.kind in ("flag", "category", "number") and 2 <= look.distinct <= most
    return few or (look.kind in ("date", "category") and 0.01 < look.blank < 0.995)


def _some(look: Look) -> str:
    return ", ".join([text for text, _ in look.values[:4]] + ["blank"] * bool(look.blank > 0))


def _by_values(looks: Mapping[str, Look], known: Collection[str]) -> list[Part]:
    """Columns that could say who left by their values alone, as nothing says what else they are about: a day that
    some have, letters with A for active, a mark, or a rarer of two values."""
    found = []
    for look in list(looks.values())[::-1]:  # answers stand last in many files
        if look.name not in known and not consents.use_of(look) and \
                not says(look.plain, rf"{words.OTHERWISE}|{words.NOT_LEAVING}"):
            sure, why = _could(look)
            found += [Part("label", look.name, sure, why)] if sure else []
    return sorted(found, key=lambda part: -part.confidence)


def _could(look: Look) -> tuple[float, str]:
    """How well a column's values fit those who left, far below what is enough for a label, and which they are."""
    some = 1 - look.blank
    if look.kind == "date":
        fits = RAREST <= some <= RARER and not says(look.plain, words.OTHER_DAYS)
        return (0.15, f"{100 * some:.0f} % of rows have a day") if fits else (0.0, "")
    if look.kind == "text" or not look.values or look.distinct > FEW_STATES:
        return 0.0, ""
    if look.distinct == 1:
        fits = RAREST <= some <= RARER and look.kind != "number"
        return (0.1, f"{100 * some:.0f} % of rows have {look.example!r}") if fits else (0.0, "")
    texts = look.texts
    told = ", ".join(f"{text} {100 * rows / sum(texts.values()):.0f} %" for text, rows in look.values[:4])
    if words.STAYED_LETTER in texts and all(len(text) == 1 for text in texts) and set(texts) & words.LEFT_LETTERS:
        return 0.15, told
    share = min(texts.values()) / sum(texts.values())
    coded = all(len(text) <= SHORT or text in YES | NO for text in texts)  # longer words say what they are about
    return (0.12, told) if len(texts) == 2 and coded and RAREST <= share <= RARER else (0.0, "")
