"""Which column says who left, and by which of its values; with evidence in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.data.doctor import legends
from engine.data.doctor import vocabulary as words
from engine.data.doctor.abbreviations import spelled_out
from engine.data.doctor.looks import Look, is_missing_word
from engine.data.doctor.nearly import none_says
from engine.data.doctor.recognise import ENOUGH, FEW_STATES, Part
from engine.data.doctor.vocabulary import NO, YES, says, word
from engine.data.doctor.windows import said_besides, window_days, without_window

COVERED, FEWEST_STAYED = 0.95, 0.2
MOST_LEFT = 0.8
NO_ANSWER, NEAR, UNSURE = 0.1, 0.3, 0.45
LONG_WORD = 6
NEGATIONS = {"not", "no", "non", "never", "nicht", "nie", "sin"}


def label(looks: Mapping[str, Look], ids: str = "") -> tuple[Part, tuple[Part, ...]]:
    """The column that says who left, with the values that mean it, and the next best ones; none where none says it."""
    places = {name: place for place, name in enumerate(looks, 1)}
    found = [part for look in looks.values()
             if look.name != ids and (part := _says_who_left(look)) is not None and part.confidence > NO_ANSWER]
    last = {name: 0.02 * (place == len(looks)) for name, place in places.items()}
    ranked = sorted(found, key=lambda part: -(part.confidence + last[part.column]))
    if not ranked or ranked[0].confidence < ENOUGH:
        return none_says(looks, ids, ranked)
    return ranked[0], tuple(ranked[1:4])


def _says_who_left(look: Look) -> Part | None:
    """The column as a label, read as its name says; one that speaks of an earlier time is hardly one."""
    read, means = legends.in_words(look)
    read = replace(read, plain=spelled_out(read.plain))
    part = _as_label(read)
    if part is None:
        return None
    most = _most(read.plain)
    if part.confidence > most:
        part = replace(part, confidence=most, evidence=f"{part.evidence}; its name speaks of an earlier time")
    return legends.as_coded(part, means)


def _most(name: str) -> float:
    """How sure a name can be at most: one that speaks of earlier leaving asks nothing of now, one that speaks of a
    time just before may."""
    if re.fullmatch(words.MAY_LEAVE, name):
        return 1.0
    before = rf"(?:^|_)(?:{words.OF_A_TIME_BEFORE})(?=_|$)"
    if says(re.sub(before, "", without_window(name)), words.FORMER):
        return NEAR
    return UNSURE if re.search(before, name) else 1.0


def _as_label(look: Look) -> Part | None:
    if look.kind == "date" or (look.kind in ("text", "empty") and look.distinct > FEW_STATES):
        return _as_end(look)
    if look.kind == "empty" or look.distinct > FEW_STATES or (look.kind == "number" and look.distinct > 3):
        return None
    texts = {text: rows for text, rows in look.texts.items() if text not in words.MISSING}
    if len(texts) < 2:
        return _as_mark(look, texts)
    if set(texts) <= YES | NO | {"-1", "-1.0", "2", "2.0"}:
        return _as_answer(look, texts)
    return _as_state(look, texts)


def _as_answer(look: Look, texts: Mapping[str, int]) -> Part | None:
    """A yes and a no: the name must say to what."""
    name = look.plain
    certainty, inverted, why = _asked(name)
    if not certainty:
        return None
    positive = [text for text in texts if text in (NO if inverted else YES)]
    if set(texts) <= {"1", "2", "1.0", "2.0"}:
        positive = [min(texts, key=lambda text: texts[text])]
        certainty -= 0.15
    elif set(texts) <= {"1", "-1", "1.0", "-1.0"}:
        positive = [text for text in texts if text.startswith("-") == inverted]
    if not positive or len(positive) == len(texts):
        return None
    share = sum(texts[text] for text in positive) / sum(texts.values())
    if inverted and share > MOST_LEFT and not says(name, words.LEAVING):
        certainty = NO_ANSWER
    certainty -= 0.25 * (share > MOST_LEFT) + 0.1 * (look.blank > 0.6)
    spelled = _as_written(look, positive)
    rarer = ", the rarer of 1 and 2" if set(texts) <= {"1", "2", "1.0", "2.0"} else ""
    answer = f"{100 * share:.1f} % have {' or '.join(spelled)}{rarer}"
    return Part("label", look.name, certainty, f"{why}; {answer}", _listed(spelled))


def _asked(name: str) -> tuple[float, bool, str]:
    """How surely a name asks who left, whether its yes means that they stayed, and the reason in words."""
    negated = says(name, rf"(?:{words.NEGATED})_?(?:{words.LEAVING})")
    if re.fullmatch(rf"(?:is_?|has_?|did_?|will_?|customer_?|cust_?|client_?)*(?:{words.CERTAIN_LEAVING})", name):
        return 0.97, False, "its name asks who left"
    if re.fullmatch(words.TARGET, name):
        return 0.66, False, "its name is that of a thing to be predicted"
    if says(name, words.LEAVING):
        return _leaving(name), negated, "its name speaks of leaving"
    if says(name, words.CLOSED) and not said_besides(name, rf"{words.CLOSED}|{words.CONTRACT}|{words.NEUTRAL}"):
        when = window_days(name) is not None
        return (0.75 if when else 0.54 if says(name, "flag") else 0.57), False, "its name speaks of closing"
    if says(name, rf"(?:{words.NEGATED})_?(?:{words.STAYING})"):
        return 0.75, False, "its name speaks of not staying"
    if re.fullmatch(words.MAY_LEAVE, name):
        return 0.55, False, "its name may speak of leaving"
    if re.fullmatch(r"(?:\w+_)?(?:target|label)|target_\w+", name):
        return 0.62, False, "its name is that of a thing to be predicted"
    if says(name, words.STAYING):
        why = "its name speaks of staying, so its no means left"
        return _staying(name), not says(name, "inactive"), why
    if re.fullmatch(words.MAY_STAY, name):
        return 0.5, True, "its name may say who is still a customer, so its no means left"
    return 0.0, False, ""


def _staying(name: str) -> float:
    """How surely a name that speaks of staying asks whether, and is not about a setting or something else."""
    others = said_besides(re.sub(rf"(?:^|_)(?:{words.STAYING})(?=_|\d|$)", "", name),
                           rf"{words.NEUTRAL}|{words.CONTRACT}|{words.STATUS_BESIDES}|{words.NEGATED}")
    if any(re.fullmatch(rf"{words.SETTING}|{words.NOT_A_LABEL}", part) for part in others):
        return NO_ANSWER
    if says(name, "member|days|user") and not says(name, "still"):
        return 0.42
    return UNSURE if others else 0.55


def _leaving(name: str) -> float:
    """How surely a name that speaks of leaving asks whether, and not when, why or what of it."""
    others = said_besides(re.sub(words.AWAY, "left", name), rf"{words.LEAVING}|{words.NEUTRAL}")
    if any(re.fullmatch(words.NOT_LEAVING, part) for part in others) or says(name, words.REMAINING):
        return NO_ANSWER
    if any(re.fullmatch(words.NOT_A_LABEL, part) and part not in ("month", "day", "days") for part in others):
        return 0.45
    if all(re.fullmatch(words.CONTRACT, part) for part in others):
        return 0.8 if others else 0.9
    return 0.9 if others in (["month"], ["day"], ["days"]) else 0.7


def who_left(look: Look) -> str:
    """Of a column that a person says tells who left, the values that mean it: as a label's, else yes, else the rarer
    of two values; "filled" where only some rows have a day or a mark, and "" where nothing shows which.

    >>> import pandas as pd
    >>> from engine.data.doctor.looks import look
    >>> who_left(look(pd.Series(["N", "N", "Y"]), "gone_by_june")), who_left(look(pd.Series(["a", "b", "b"]), "group"))
    ('Y', 'a')
    """
    told = _says_who_left(look)
    if told is not None:
        return told.value
    few = [text for text, _ in look.values] if look.distinct <= FEW_STATES else []
    if look.blank and (look.kind == "date" or len(few) == 1):
        return "filled"
    answered = any(word(text) in NO for text in few)
    means = [text for text in few if (answered and word(text) in YES) or _means(word(text), words.LEFT_WORDS)]
    return _listed(means) if 0 < len(means) < len(few) else few[-1] if len(few) == 2 else ""


def _as_state(look: Look, texts: Mapping[str, int]) -> Part | None:
    """Words for having left beside words for having stayed."""
    if all(len(text) == 1 and text.isalpha() for text in texts):
        return _as_letters(look, texts)
    short = words.LEFT_SHORT if says(look.plain, words.STATUS) else frozenset()
    left = [text for text in texts if _means(text, words.LEFT_WORDS | short)]
    stayed = [text for text in texts if text not in left and
              _means(text, words.STAYED_WORDS | (words.STAYED_SHORT if short else short))]
    if (kinds := _as_kinds(look, texts, left, stayed)) is not None:
        return kinds
    if not left or len(left) == len(texts):
        return None
    named = says(look.plain, rf"{words.LEAVING}|{words.STATUS}") or bool(re.fullmatch(words.TARGET, look.plain))
    covered = sum(texts[text] for text in (*left, *stayed)) / sum(texts.values())
    certainty = 0.3 + 0.2 * named + 0.25 * bool(stayed) + 0.18 * (covered > COVERED)
    certainty += 0.04 * bool(re.search("churn|attrit", look.plain)) - 0.1 * (not named and len(texts) > 2)
    if says(look.plain, words.NOT_A_LABEL) and not stayed:
        return None
    return _state(look, texts, left, stayed, certainty)


def _as_kinds(look: Look, texts: Mapping[str, int], left: Sequence[str], stayed: Sequence[str]) -> Part | None:
    """Kinds of leaving beside a plain no, a "None" or nothing, under a name that asks for nothing else: whoever is not
    said to have stayed left."""
    if not left or not says(look.plain, words.LEAVING) or \
            said_besides(look.plain, rf"{words.LEAVING}|{words.NEUTRAL}|{words.KIND_OF}"):
        return None
    unsaid = any(not is_missing_word(text, in_words=True) for text in look.missing)
    no = [text for text in texts if text in NO]
    if not no and not unsaid:
        return _as_filled(look) if len(left) == len(texts) else None
    gone = [text for text in texts if text not in (*no, *stayed)]
    return _state(look, texts, gone, [*no, *stayed], 0.93 if len(gone) == len(left) else 0.75,
                  look.missing if unsaid else ())


def _state(look: Look, texts: Mapping[str, int], left: Sequence[str], stayed: Sequence[str], certainty: float,
           nothing: Sequence[str] = ()) -> Part:
    """The part of a column in which these words mean left, and those stayed, as do words for nothing."""
    spelled, others = _as_written(look, left), [*_as_written(look, stayed), *nothing]
    share = sum(texts[text] for text in left) / (look.rows if nothing else sum(texts.values()))
    why = f"{' or '.join(spelled)} means left ({100 * share:.1f} % of rows)"
    beside = f", beside {', '.join(others[:3])}" if others else ""
    return Part("label", look.name, min(certainty, 0.95), why + beside, _listed(spelled))


def _as_letters(look: Look, texts: Mapping[str, int]) -> Part | None:
    """A for active beside letters that stand for having left, under a name that is that of a customer's status."""
    left = [text for text in texts if text in words.LEFT_LETTERS]
    plain = f"{words.LETTERED}|{words.STATUS_BESIDES}|{words.NEUTRAL}"
    if words.STAYED_LETTER not in texts or not left or not says(look.plain, words.LETTERED) or \
            said_besides(look.plain, plain):
        return None
    known = (texts[words.STAYED_LETTER] + sum(texts[text] for text in left)) / sum(texts.values())
    if known <= COVERED or texts[words.STAYED_LETTER] < FEWEST_STAYED * sum(texts.values()):
        return None
    return _state(look, texts, left, [words.STAYED_LETTER], 0.62 if len(texts) == 2 else 0.55)


def _means(text: str, known: frozenset[str]) -> bool:
    """Whether a state is one of the words, or several of which a long one is, and none a negation.

    >>> _means("past_due_cancelled", words.LEFT_WORDS), _means("not cancelled", words.LEFT_WORDS)
    (True, False)
    """
    plain = re.sub(r"[\s_\-/]+", " ", text)
    if plain in known or text in known:
        return True
    several = plain.split(" ")
    return not set(several) & NEGATIONS and any(len(one) >= LONG_WORD and one in known for one in several)


def _as_mark(look: Look, texts: Mapping[str, int]) -> Part | None:
    """A single mark that only some carry, under a name that speaks of leaving: filled means left."""
    if not texts or not says(look.plain, words.LEAVING) or says(look.plain, words.NOT_A_LABEL):
        return None
    return _as_filled(look)


def _as_filled(look: Look) -> Part | None:
    if not 0.01 < look.blank < 0.995:
        return None
    share = 100 * (1 - look.blank)
    why = f"its name speaks of leaving, and {share:.1f} % of rows carry {look.example!r}, others nothing"
    return Part("label", look.name, 0.7 - 0.25 * (1 - look.blank > MOST_LEFT), why, "filled")


def _as_end(look: Look) -> Part | None:
    """A day of leaving that only leavers have: filled means left."""
    if look.kind != "date" or not says(look.plain, words.ENDED) or not 0.02 < look.blank < 0.995:
        return None
    certainty = (0.55 if re.search(words.ENDING_ALONE, look.plain) else 0.42) - 0.25 * (1 - look.blank > MOST_LEFT)
    why = f"a day of leaving that {100 * (1 - look.blank):.1f} % of rows have"
    return Part("label", look.name, certainty, why, "filled")


def _as_written(look: Look, wanted: Sequence[str]) -> list[str]:
    return [text.strip() for text, _ in look.values if word(text) in set(wanted)]


def _listed(texts: Sequence[str]) -> str:
    return "|".join(dict.fromkeys(texts))
