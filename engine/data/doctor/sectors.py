"""Which sector a company is of, by the words that its columns' names speak."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from engine.data.doctor import vocabulary as words
from engine.data.doctor.looks import Look
from engine.data.doctor.recognise import Part

IN_ANY_TRADE, AHEAD = 0.5, 1.0


def sector(looks: Mapping[str, Look]) -> Part:
    """The sector of whose words the columns' names speak most; "other" where none has two of them, of which one is not
    of any trade, or another speaks nearly as much.

    A word that any trade has (plan, login) counts half.
    """
    found = {name: {look.name: told for look in looks.values() if (told := _spoken(look.plain, pattern))}
             for name, pattern in words.SECTORS.items()}
    known = {name: list(columns) for name, columns in found.items()
             if len(set(columns.values())) >= 2 and _weight(columns.values()) > len(columns) * IN_ANY_TRADE}
    weight = {name: _weight(found[name].values()) for name in known}
    most = max(weight.values(), default=0.0)
    best = [name for name, told in weight.items() if told > most - AHEAD]
    if len(best) != 1:
        of = f"{' and '.join(best)} alike" if best else "no sector that is known"
        return Part("sector", "", 0.0, f"the columns speak of {of}", "other")
    why = f"columns such as {', '.join(known[best[0]][:3])}"
    return Part("sector", "", min(0.4 + 0.1 * most, 0.8), why, best[0])


def _weight(told: Iterable[str]) -> float:
    """How much columns say of a sector by the words that they speak."""
    return sum(IN_ANY_TRADE if word.startswith("*") else 1.0 for word in told)


def _spoken(name: str, pattern: str) -> str:
    """The pattern's word that a plain name holds, by its beginning: the same for credit_limit and credit_score; "*" in
    front of one that any trade has.

    >>> _spoken("avg_credit_limit", "credit_limit|loans?"), _spoken("loans", "credit_limit|loans?")
    ('cred', 'loan')
    >>> _spoken("plan_code", "plan|seats")
    '*plan'
    """
    found = re.search(rf"(?:^|_)(?P<word>{pattern})(?=_|$|\d)", name)
    if not found:
        return ""
    common = re.fullmatch(words.ANY_TRADE, found["word"]) is not None
    return f"{'*' * common}{found['word'].split('_')[0][:4]}"
