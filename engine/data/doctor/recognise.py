"""Which column plays which part: the id, tenure, recency, contact; with evidence in words.

Names and values are weighed together: a name alone proposes, values that fit it convince, and what neither shows is
left open. Confidence is this module's own estimate from 0 to 1, not a measured rate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.data.doctor import vocabulary as words
from engine.data.doctor.looks import Look
from engine.data.doctor.vocabulary import says

SURE, LIKELY, HALF = 0.85, 0.6, 0.5
ENOUGH = 0.4
FEWEST_KEYS, LEAST_DIGITS = 200, 10_000  # unlike measurements, that many keys are all different
SHARED_BLANKS = 0.01
FEW_STATES = 12
PLACEHOLDER, FEW_ROWS = 0.05, 5
WITH_DIGITS = 0.8
TENURE_IN_YEARS = 25.0
TENURE_IN_DAYS = 400.0
UNITS = {"years": words.YEARS, "days": words.DAYS, "weeks": words.WEEKS, "months": words.MONTHS}
EMAIL = r"[^@\s]+@[^@\s]+\.[a-z]{2,}"
PHONE = r"[+(]?\d[\d\s().\-/]{5,}"


@dataclass(frozen=True)
class Part:
    """What a column is taken for: its role, how sure that is [0..1], and why in words.

    value: what else belongs to it: a label's positive values, the period of money, a unit.
    """

    role: str
    column: str = ""
    confidence: float = 0.0
    evidence: str = ""
    value: str = ""

    @property
    def word(self) -> str:
        """The confidence as a word: "sure", "likely", "a guess" or "open".

        >>> Part("id", "customer_id", 0.95).word, Part("money", "", 0.0).word
        ('sure', 'open')
        """
        if self.confidence >= SURE:
            return "sure"
        return "likely" if self.confidence >= LIKELY else "a guess" if self.confidence > 0 else "open"


# ------------------------------------------------------------------------------------------------------------------ id

def identity(looks: Mapping[str, Look]) -> Part:
    """The column that names the customers; none where no column does."""
    found = [part for look in looks.values() if (part := _as_id(look)) is not None]
    if not found:
        return Part("id", "", LIKELY, "No column has a value of its own on every row and a name that names customers.")
    return max(found, key=lambda part: part.confidence)


def _as_id(look: Look) -> Part | None:
    known = bool(re.fullmatch(words.ID, look.plain)) or look.plain.endswith("_id") or \
        (look.unique and bool(re.fullmatch(words.WHO, look.plain)))
    strong = bool(re.fullmatch(words.STRONG_ID, look.plain))
    share = look.distinct / max(look.rows * (1 - look.blank), 1)
    fits = (look.kind in ("text", "category") or (look.kind == "number" and look.whole)) and look.rows > 1
    if not fits or look.blank > 0.2 or re.fullmatch(words.ROW_COUNTER, look.plain):
        return None
    own = f"{look.distinct:,} different values in {look.rows:,} rows"
    if known and share >= 0.5 and not _stands_in(look):
        certain = 0.55 + 0.25 * (share >= 0.999) + 0.1 * (share >= 0.95) + 0.08 * strong
        return Part("id", look.name, certain, f"its name names customers and it has {own}")
    if look.unique and is_key_by_name(look.plain):
        return Part("id", look.name, 0.62, f"its name is that of a key and it has {own}")
    if look.unique and _keyed(look):
        return Part("id", look.name, 0.6, f"it has {own}, written as keys are, such as {look.example}")
    if look.unique and says(look.plain, words.CONTACT["phone"]):
        return Part("id", look.name, 0.55, f"no other column names customers, and it has {own}")
    return None


def is_key_by_name(name: str) -> bool:
    """Whether a name says that its values are keys: its first or its last word, or the end of a compound.

    >>> is_key_by_name("num_contrato"), is_key_by_name("tag_acct_no"), is_key_by_name("relatienr")
    (True, True, True)
    >>> is_key_by_name("number"), is_key_by_name("plan_type")
    (False, False)
    """
    parts = name.split("_")
    return re.fullmatch(words.KEY_COMPOUND, name) is not None or (len(parts) > 1 and any(
        re.fullmatch(words.KEY_WORD, part) for part in (parts[0], parts[-1])))


def named_keys(looks: Mapping[str, Look]) -> list[Look]:
    """Columns that by name are the customers' keys though each value stands on several rows, the surest first."""
    keys = [look for look in looks.values() if re.fullmatch(words.ID, look.plain) and look.blank < SHARED_BLANKS
            and (look.kind in ("text", "category") or (look.kind == "number" and look.whole))
            and FEW_STATES < look.distinct < HALF * look.rows and not re.fullmatch(words.ROW_COUNTER, look.plain)]
    return sorted(keys, key=lambda look: (not re.fullmatch(words.STRONG_ID, look.plain), -look.distinct))


def _stands_in(look: Look) -> bool:
    """Whether one value stands on many rows beside rare ones, as where something else is named and often is not."""
    return look.values[0][1] > max(PLACEHOLDER * look.rows, FEW_ROWS)


def _keyed(look: Look) -> bool:
    """Whether its values are written as keys are: one shape or length of letters and digits, without blanks, or whole
    numbers of as many digits each."""
    if look.kind == "number":
        return look.whole and look.rows >= FEWEST_KEYS and look.low >= LEAST_DIGITS and \
            len(f"{look.low:.0f}") == len(f"{look.high:.0f}")
    if look.kind != "text" or any(re.fullmatch(EMAIL, text) for text, _ in look.values[:5]):
        return False
    shapes = {re.sub(r"[A-Za-z]", "a", re.sub(r"\d", "0", text)) for text, _ in look.values}
    texts = [text for text, _ in look.values]
    if len({len(text) for text in texts}) == 1 and all(re.fullmatch(r"[0-9A-Za-z]{5,}", text) for text in texts):
        return sum(bool(re.search(r"\d", text)) for text in texts) >= WITH_DIGITS * len(texts)
    digits = all(re.search(r"\d", text) and not re.search(r"[ :]", text) for text in texts)
    return digits and (len(shapes) <= 3 or all(re.fullmatch(r"[0-9a-fA-F-]{12,}", text) for text in texts))


# ------------------------------------------------------------------------------------------------------ tenure, recency

def tenure(looks: Mapping[str, Look], taken: frozenset[str]) -> Part:
    """The column with how long a customer has been one; its value is the unit: months, years or days."""
    found = [part for look in looks.values() if look.name not in taken and (part := _as_tenure(look)) is not None]
    return max(found, key=lambda part: part.confidence, default=Part("tenure", evidence="no column says it"))


def _as_tenure(look: Look) -> Part | None:
    if look.kind == "number" and look.low >= 0 and look.distinct >= 3 and re.fullmatch(words.MONTHS, look.plain):
        return Part("tenure", look.name, LIKELY, "it counts months, and nothing says of what else", "months")
    if look.kind != "number" or look.low < 0 or not says(look.plain, words.TENURE) or look.distinct < 3 or \
            says(look.plain, rf"{words.RECENCY}|{words.NOT_TENURE}"):
        return None
    for unit, pattern in UNITS.items():
        if says(look.plain, pattern):
            return Part("tenure", look.name, 0.9, f"its name says so, in {unit}", unit)
    unit = "days" if look.high > TENURE_IN_DAYS else "months" if look.high > TENURE_IN_YEARS else "years"
    return Part("tenure", look.name, 0.7, f"its name says so; values up to {look.high:g} are taken as {unit}", unit)


def recency(looks: Mapping[str, Look], taken: frozenset[str]) -> Part:
    """The column with how many days ago a customer was last active."""
    found = [Part("recency", look.name, 0.8, f"its name says so; values up to {look.high:g}", "days")
             for look in looks.values() if look.name not in taken and look.kind == "number" and look.low >= 0
             and look.distinct >= 5 and says(look.plain, words.RECENCY) and not says(look.plain, words.MONTHS)
             and not says(look.plain, "score|band|avg|average|mean")]
    return found[0] if found else Part("recency", evidence="no column says it")


# ------------------------------------------------------------------------------------------------------------- contact

def contact(looks: Mapping[str, Look], taken: frozenset[str]) -> tuple[Part, ...]:
    """The columns with names, addresses and numbers; each part's role is the canonical column."""
    found: dict[str, Part] = {}
    for look in looks.values():
        if look.name not in taken and (part := _as_contact(look)) and part.role not in found:
            found[part.role] = part
    return tuple(found.values())


def _as_contact(look: Look) -> Part | None:
    if look.kind == "empty":
        return None
    texts = [text for text, _ in look.values]
    if look.kind == "text" and sum(bool(re.fullmatch(EMAIL, text.lower())) for text in texts) > len(texts) / 2:
        return Part("email", look.name, 0.95, f"its values are addresses, such as some at {_host(texts[0])}")
    for role, pattern in words.CONTACT.items():
        if not re.fullmatch(rf"(?:customer_|client_|contact_|primary_)?(?:{pattern})(?:_number|_no|_nr)?", look.plain):
            continue
        if role == "phone" and _phones(look, texts):
            return Part(role, look.name, 0.8, "its name and its digits say so")
        if role in ("first_name", "last_name") and look.kind in ("text", "category") and look.distinct > FEW_STATES:
            return Part(role, look.name, 0.8, "its name says so")
    return None


def _phones(look: Look, texts: Sequence[str]) -> bool:
    fit = sum(bool(re.fullmatch(PHONE, text)) for text in texts) > len(texts) / 2
    return fit and look.distinct > look.rows / 2


def _host(address: str) -> str:
    return address.rpartition("@")[2]
