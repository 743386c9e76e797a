"""Which sector a company is of, by the words that its columns' names speak."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.data.doctor import vocabulary as words
from engine.data.doctor.looks import Look
from engine.data.doctor.recognise import Part


def sector(looks: Mapping[str, Look]) -> Part:
    """The sector of whose words the columns' names speak most; "other" where none has two of them, or two as many."""
    found = {name: {look.name: told for look in looks.values() if (told := _spoken(look.plain, pattern))}
             for name, pattern in words.SECTORS.items()}
    known = {name: list(columns) for name, columns in found.items() if len(set(columns.values())) >= 2}
    most = max(map(len, known.values()), default=0)
    best = [name for name, columns in known.items() if len(columns) == most]
    if len(best) != 1:
        of = f"{' and '.join(best)} alike" if best else "no sector that is known"
        return Part("sector", "", 0.0, f"the columns speak of {of}", "other")
    why = f"columns such as {', '.join(known[best[0]][:3])}"
    return Part("sector", "", min(0.4 + 0.1 * most, 0.8), why, best[0])


def _spoken(name: str, pattern: str) -> str:
    """The beginning of the pattern's word that a plain name holds: the same for credit_limit and credit_score.

    >>> _spoken("avg_credit_limit", "credit_limit|loans?"), _spoken("loans", "credit_limit|loans?")
    ('cred', 'loan')
    """
    found = re.search(rf"(?:^|_)(?P<word>{pattern})(?=_|$|\d)", name)
    return found["word"].split("_")[0][:4] if found else ""
