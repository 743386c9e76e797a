"""Which columns say who may be contacted, by which channel, and whether their yes agrees or refuses.

Consent is a rule of contact and no driver, so that nothing is learned from it. Of several columns that speak of one
channel all must agree; what is not known is no consent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from engine.data.doctor import vocabulary as words
from engine.data.doctor.vocabulary import named, says, word
from engine.data.parsing import distinct
from engine.data.readers import Raw
from engine.schema import Finding, plural

if TYPE_CHECKING:
    from engine.data.doctor.looks import Look

CHANNELS = ("email", "sms", "phone")
CONSENT, REFUSAL = "consent", "refusal"
USES = (CONSENT, *(f"{CONSENT}_{channel}" for channel in CHANNELS),
        REFUSAL, *(f"{REFUSAL}_{channel}" for channel in CHANNELS))
AGREES, REFUSES = words.YES | words.AGREED_WORDS, words.NO | words.REFUSED_WORDS
FEW_ANSWERS = 12


def use_of(seen: Look) -> str:
    """Which of the USES a column has, by its name and its answers; "" where it says nothing of consent."""
    texts = [text for text in seen.texts if text not in words.MISSING]
    rows = sum(seen.texts[text] for text in texts)
    answers = sum(seen.texts[text] for text in texts if text in AGREES | REFUSES) > rows / 2
    return asked(seen.plain) if answers and seen.distinct <= FEW_ANSWERS else ""


def asked(name: str) -> str:
    """Which of the USES a plain name has; without a channel it speaks of all of them.

    >>> asked("marketing_consent"), asked("do_not_call"), asked("newsletter"), asked("werbeeinwilligung")
    ('consent', 'refusal_phone', 'consent_email', 'consent')
    >>> asked("has_opted_out_of_email"), asked("cookie_consent"), asked("calls"), asked("roaming_allowed")
    ('refusal_email', '', '', '')
    """
    refuses, agrees = says(name, words.REFUSED), says(name, words.AGREED)
    channel = next((role for role, pattern in words.CHANNELS.items() if says(name, pattern)), "")
    told = channel or says(name, words.CONTACTED) or says(name, words.CONSENTED)
    newsletter = says(name, "newsletter")
    if not told or not (refuses or agrees or newsletter) or says(name, words.BY_POST) or _else(name):
        return ""
    return "_".join(part for part in (REFUSAL if refuses else CONSENT, channel) if part)


def _else(name: str) -> bool:
    """Whether the name speaks of something else besides."""
    known = "|".join((words.REFUSED, words.AGREED, words.CONSENTED, words.CONTACTED, *words.CHANNELS.values(),
                      words.NEUTRAL, words.LINKS))
    return re.fullmatch(rf"(?:(?:{known})(?:_|$))+", name) is None


def evidence(seen: Look, use: str) -> str:
    """Why the column is taken so, in words, with the share who agree."""
    agree = sum(rows for text, rows in seen.texts.items()
                if text in AGREES | REFUSES and (text in AGREES) != _refusing(use, text))
    known = sum(rows for text, rows in seen.texts.items() if text in AGREES | REFUSES)
    says_what = "refusing" if use.startswith(REFUSAL) else "agreeing"
    return (f"its name speaks of {says_what} to be contacted; {100 * agree / known:.1f} % of the answers "
            "allow it; a rule of contact, nothing is learned from it")


def _refusing(use: str, text: str) -> bool:
    """Whether the answer means the opposite of what it says: the yes of a refusal."""
    return use.startswith(REFUSAL) and text in words.YES | words.NO


def of_frame(frame: pd.DataFrame) -> dict[str, list[str]]:
    """By use, the columns of a table of customers that nobody has described."""
    from engine.data.doctor.looks import look

    found: dict[str, list[str]] = {}
    for name in map(str, frame.columns):
        if asked(named(name)) and (use := use_of(look(frame[name], name))):
            found.setdefault(use, []).append(name)
    return found


def agreed(raw: Raw, uses: Mapping[str, Sequence[str]]) -> tuple[Raw, tuple[str, ...], list[Finding]]:
    """The table with what its columns of consent say as consent_email, consent_sms and consent_phone (1, 0 or nothing);
    the columns that said it, which are of no other use, and what could not be read."""
    said = {(use, name): _answers(raw.frame[name], use) for use, names in uses.items() for name in names}
    made = {}
    for channel in CHANNELS:
        mine = [values for (use, _), values in said.items() if use.partition("_")[2] in ("", channel)]
        if mine:
            together = np.column_stack(mine)
            made[f"{CONSENT}_{channel}"] = np.where((together == 0).any(axis=1), 0.0, together.sum(axis=1) /
                                                    together.shape[1])
    sources = tuple(dict.fromkeys(name for _, name in said if name not in made))
    frame = raw.frame.drop(columns=[name for name in made if name in raw.frame]).assign(**made)
    unread = [_unread(raw.frame[name], name) for _, name in said]
    return replace(raw, frame=frame), sources, [finding for finding in unread if finding is not None]


def _answers(values: pd.Series, use: str) -> np.ndarray:
    """1 where the customer may be contacted, 0 where not, NaN where it is not known. Where a column of refusals only
    marks those who refuse, whoever is not marked has not refused."""
    seen = distinct(values)
    texts = seen.texts.map(word)
    yes, no = texts.isin(AGREES).to_numpy(dtype=bool), texts.isin(REFUSES).to_numpy(dtype=bool)
    turned = texts.map(lambda text: _refusing(use, text)).to_numpy(dtype=bool)
    found = np.where(yes | no, np.where(turned, no, yes).astype(float), np.nan)
    marks = use.startswith(REFUSAL) and not (found == 1).any()
    return np.asarray(seen.spread(found, np.nan).fillna(1.0 if marks else np.nan), dtype=float)


def _unread(values: pd.Series, name: str) -> Finding | None:
    seen = distinct(values)
    texts = seen.texts.map(word)
    odd = ~texts.isin(AGREES | REFUSES | words.MISSING | {""}).to_numpy(dtype=bool)
    if not odd.any():
        return None
    what = f"{plural(seen.rows(odd), 'value is', 'values are')} not yes or no, for example {seen.texts[odd].iloc[0]!r}."
    return Finding("warning", name, what, "Read as not known, which is no consent.", seen.rows(odd))


def columns_of(uses: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """All columns that say who may be contacted."""
    return tuple(dict.fromkeys(name for names in uses.values() for name in names))
