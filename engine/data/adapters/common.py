"""What every adapter shares: finding columns by name, reading them by kind, rejecting rows with reasons."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.data.chunks import Chunks
from engine.data.dates import moments
from engine.data.doctor.vocabulary import SYMBOLS
from engine.data.names import plain, snake, title
from engine.data.parsing import FALSE, TRUE, Findings, Parsed, as_written, blank, distinct, flags, ids, is_text, numbers
from engine.data.parsing import shares as read_shares
from engine.data.parsing import words as read_words
from engine.data.readers import Raw
from engine.errors import DataError, EngineError
from engine.schema import CONTACT, CUSTOMER_ID, Column, Finding, Source, plural
from engine.schema.columns import AS_IN_FILE, Kind

Options = Mapping[str, Any]
SHARE = "share 0..1"
MOST_CATEGORIES = 50
MEANT = 0.95
NOT = " is not "
SOME = 0.02
CURRENCIES = frozenset(SYMBOLS.values())
WANTED = {"number": "a number", "count": "a number", "flag": "yes or no", "date": "a date"}

IDS = ("customerid", "customer", "custid", "customerno", "customernumber", "clientid", "userid", "accountid",
       "memberid", "msno")
_CONTACT_NAMES: Mapping[str, tuple[str, ...]] = {
    "first_name": ("firstname", "givenname", "forename"),
    "last_name": ("lastname", "surname", "familyname"),
    "email": ("email", "emailaddress", "mail", "contactemail", "primaryemail", "customeremail"),
    "phone": ("phone", "phonenumber", "telephone", "mobile", "mobilephone", "contactphone", "customerphone"),
    "consent_email": ("consentemail", "emailconsent", "emailoptin", "optinemail", "acceptsemail"),
    "consent_sms": ("consentsms", "smsconsent", "smsoptin", "optinsms"),
    "consent_phone": ("consentphone", "phoneconsent", "phoneoptin", "consentcall"),
}


@dataclass(frozen=True)
class Field:
    """A column an adapter looks for.

    aliases: names it goes by in files, in lower case without spaces and marks. needed: the file must have it.
    required: a row without a readable value is rejected. strict: an unreadable cell rejects the row; if not, it is
    missing and a warning counts it.
    """

    column: Column
    aliases: tuple[str, ...] = ()
    needed: bool = True
    required: bool = False
    strict: bool = True

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.column.name


@dataclass(frozen=True)
class Taken:
    """What was taken of a file: canonical columns by row number, their meaning, rejected rows, findings.

    parts, refused: of a big file's events and rejected rows, the files in which they lie; the frames are empty then.
    """

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    rejected: pd.DataFrame
    findings: Findings
    currency: str = ""
    percent: Mapping[str, bool] = field(default_factory=dict)
    parts: tuple[Path, ...] = ()
    refused: tuple[Path, ...] = ()


CONTACT_FIELDS = tuple(Field(column, _CONTACT_NAMES[column.name], needed=False, strict=False) for column in CONTACT)
ID_FIELD = Field(CUSTOMER_ID, IDS, required=True)


# ------------------------------------------------------------------------------------------------------- names

def match(fields: Iterable[Field], names: Iterable[str]) -> dict[str, str]:
    """By canonical name, the file's column: the canonical name itself first, then the aliases in order, and of numbers
    then those that say their currency besides.

    >>> match([ID_FIELD, Field(Column("mrr", "number", "", "what is paid"))], ["When", "CustomerID", "mrr_usd"])
    {'customer_id': 'CustomerID', 'mrr': 'mrr_usd'}
    """
    names = list(names)
    known, paid = _by_plain(names), _by_currency(names)
    found: dict[str, str] = {}
    used: set[str] = set()
    for wanted in fields:
        aliases = (plain(wanted.name), *wanted.aliases)
        ways = (known, paid) if wanted.column.kind == "number" else (known,)
        own = next((way[alias] for way in ways for alias in aliases if alias in way and way[alias] not in used), None)
        if own is not None:
            found[wanted.name] = own
            used.add(own)
    return found


def _by_plain(names: Iterable[str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(plain(name), name)
    return known


def _by_currency(names: Sequence[str]) -> dict[str, str]:
    """By what is left of it without its currency, each column that names one, where only one does."""
    bare = [(without_currency(name)[0], name) for name in names if without_currency(name)[1]]
    counts = Counter(one for one, _ in bare)
    return {one: name for one, name in bare if counts[one] == 1}


def without_currency(name: str) -> tuple[str, str]:
    """The plain name without the currency that it ends with, and that currency's code; "" where it names none.

    >>> without_currency("mrr_usd"), without_currency("Amount (EUR)"), without_currency("amount")
    (('mrr', 'USD'), ('amount', 'EUR'), ('amount', ''))
    """
    *parts, last = snake(name).split("_")
    if not parts or last.upper() not in CURRENCIES:
        return plain(name), ""
    return plain("".join(parts[:-1] if parts[-1] == "in" and parts[1:] else parts)), last.upper()


def lacking(fields: Iterable[Field], names: Iterable[str]) -> tuple[str, ...]:
    """The needed columns that the file has not, by canonical name."""
    fields = tuple(fields)
    found = match(fields, names)
    return tuple(wanted.name for wanted in fields if wanted.needed and wanted.name not in found)


# ------------------------------------------------------------------------------------------------------- kinds

def kind_of(values: pd.Series) -> Kind:
    """What a column holds, by its values: a date, flag or number if 95 % can be read so, a category of up to 50
    words (or one word per 20 rows), else text. Numbers with leading zeros are codes, not numbers.

    >>> kind_of(pd.Series(["1.5", "2"])), kind_of(pd.Series(["Yes", "No"])), kind_of(pd.Series(["007", "012"]))
    ('number', 'flag', 'category')
    """
    if not is_text(values):
        return _typed_kind(values)
    seen = distinct(values)
    known = seen.texts[~blank(seen)]
    if not len(known):
        return "text"
    if set(known.str.lower()) <= TRUE | FALSE and len(set(known.str.lower())) > 1:
        return "flag"
    if not known.str.fullmatch(r"0\d+").any():
        if _readable(moments(known, "")) >= MEANT:
            return "date"
        if _readable(numbers(known, "")) >= MEANT:
            return "number"
    few = len(known) <= max(MOST_CATEGORIES, len(values) // 20) and len(known) <= 1000
    return "category" if few else "text"


def _typed_kind(values: pd.Series) -> Kind:
    if pd.api.types.is_datetime64_any_dtype(values):
        return "date"
    if pd.api.types.is_bool_dtype(values):
        return "flag"
    found = set(pd.unique(values.dropna())[:3].tolist())
    return "flag" if found == {0, 1} and values.dropna().isin([0, 1]).all() else "number"


def _readable(parsed: Parsed) -> float:
    return 1 - float(parsed.bad.mean())


def other_fields(raw: Raw, used: Iterable[str], taken: Iterable[str]) -> tuple[dict[str, str], tuple[Field, ...]]:
    """The file's remaining columns: their canonical names, and fields by what their values show."""
    used, names = set(used), set(taken)
    found, fields = {}, []
    for raw_name in raw.frame.columns:
        if raw_name in used:
            continue
        name = _free(snake(raw_name), names)
        names.add(name)
        found[name] = raw_name
        column = Column(name, kind_of(raw.frame[raw_name]), "", AS_IN_FILE, label=title(raw_name))
        fields.append(Field(column, needed=False, strict=False))
    return found, tuple(fields)


def _free(name: str, taken: set[str]) -> str:
    return next(free for free in (name, *(f"{name}_{n}" for n in range(2, 10_000))) if free not in taken)


# -------------------------------------------------------------------------------------------------------- take

def take(raw: Raw, fields: Sequence[Field], found: Mapping[str, str], options: Options) -> Taken:
    """Read the fields from the file's columns `found` (canonical name -> name in the file), each by its kind."""
    present = [wanted for wanted in fields if wanted.name in found]
    frame, reasons = {}, pd.Series("", index=raw.frame.index, dtype=object)
    findings: list[Finding] = []
    percent: dict[str, bool] = {}
    currency = ""
    for wanted in present:
        name = found[wanted.name]
        parsed, scale = _parse(wanted, raw, name, options)
        frame[wanted.name] = parsed.values
        findings += parsed.findings
        currency = currency or parsed.currency or _named_currency(wanted, name)
        percent |= {wanted.name: scale} if scale is not None else {}
        if wanted.strict or wanted.required:
            _add_reasons(reasons, wanted, parsed, raw, name)
        elif parsed.bad.any() and raw.columns is None:
            example = raw.frame.loc[parsed.bad, name].iloc[0]
            findings.append(_unread(wanted, int(parsed.bad.sum()), example, name))
    keep = (reasons == "").to_numpy()
    rejected = pd.concat([rejects(raw, reasons[~keep]), lost_lines(raw)], ignore_index=True)
    findings += _rejected_findings(raw.source, kinds_of(rejected["reason"], NOT)) if raw.columns is None else []
    return Taken(pd.DataFrame(frame, index=raw.frame.index)[keep], tuple(wanted.column for wanted in present),
                 rejected, tuple(findings), currency, percent)


def _named_currency(wanted: Field, name: str) -> str:
    """The currency in the name of a column that was found without it."""
    bare, code = without_currency(name)
    return code if bare in (plain(wanted.name), *wanted.aliases) else ""


def told_of(chunks: Chunks, fields: Sequence[Field], found: Mapping[str, str], rejected: Mapping[str, int]
            ) -> list[Finding]:
    """What `take` found in a big file, once all of its chunks were taken."""
    findings: list[Finding] = []
    for wanted in fields:
        name = found.get(wanted.name, "")
        findings += chunks.columns.told(name)
        if name in chunks.columns.bad and not (wanted.strict or wanted.required):
            findings.append(_unread(wanted, *chunks.columns.bad[name], name))
    return [*findings, *_rejected_findings(chunks.source, rejected)]


def _parse(wanted: Field, raw: Raw, name: str, options: Options) -> tuple[Parsed, bool | None]:
    clashes = raw.clashes.get(name, ())
    if raw.columns is not None:
        return raw.columns.read(raw.frame[name], name, lambda cells: _read(wanted, cells, name, clashes, options))
    return _read(wanted, raw.frame[name], name, clashes, options)


def _read(wanted: Field, values: pd.Series, name: str, clashes: Sequence[str], options: Options
          ) -> tuple[Parsed, bool | None]:
    kind = wanted.column.kind
    if kind == "id":
        return ids(values, name, clashes), None
    if kind == "date":
        return moments(values, name, options.get("day_first")), None
    if kind == "flag":
        return flags(values, name), None
    if kind not in {"number", "count"}:
        return read_words(values, name), None
    if wanted.column.unit == SHARE:
        return read_shares(values, name, options.get("percent", {}).get(wanted.name))
    return _number_or_flag(values, name), None


def _number_or_flag(values: pd.Series, name: str) -> Parsed:
    """The column as numbers, or as 1 and 0 when it says yes and no instead."""
    parsed = numbers(values, name)
    if not parsed.bad.any():
        return parsed
    said = flags(values, name)
    return parsed if said.bad.any() else said


def _add_reasons(reasons: pd.Series, wanted: Field, parsed: Parsed, raw: Raw, name: str) -> None:
    """Name column and value of every cell that rejects its row."""
    if parsed.bad.any():
        meant = WANTED[wanted.column.kind]
        cells = raw.frame.loc[parsed.bad, name].astype(object).map(lambda cell: f"{name}: {cell!r} is not {meant}")
        reasons[parsed.bad] = _joined(reasons[parsed.bad], cells.astype(object))
    if wanted.required and wanted.column.kind in {"number", "count"}:
        below = (parsed.values < wanted.column.low).fillna(False) & ~parsed.bad
        words = raw.frame.loc[below, name].astype(object).map(
            lambda cell: f"{name}: {cell!r} is not at least {wanted.column.low:g}")
        reasons[below] = _joined(reasons[below], words.astype(object))
    if wanted.required:
        gap = parsed.values.isna() & ~parsed.bad
        reasons[gap] = _joined(reasons[gap], pd.Series(f"{name} is blank", index=reasons.index[gap], dtype=object))


def _joined(before: pd.Series, more: pd.Series) -> pd.Series:
    return more.where(before == "", before + "; " + more)


def _unread(wanted: Field, count: int, example: object, name: str) -> Finding:
    what = f"{plural(count, 'value is', 'values are')} not {WANTED[wanted.column.kind]}, for example {example!r}."
    return Finding("warning", name, what, "Read as missing.", count)


def rejects(raw: Raw, reasons: pd.Series) -> pd.DataFrame:
    """The rows of those numbers as text, with the file's name, the row's number and the reason."""
    rows = raw.frame.loc[reasons.index]
    texts = {name: as_written(rows[name]) for name in rows.columns}
    frame = pd.DataFrame(texts, index=rows.index)
    return frame.assign(source=raw.name, row=rows.index.to_numpy(np.int64), reason=reasons).reset_index(drop=True)


def lost_lines(raw: Raw) -> pd.DataFrame:
    """Lines that could not be split into the header's columns."""
    return raw.rejected.assign(source=raw.name)[["source", "row", "reason"]]


def kinds_of(reasons: pd.Series, before: str = " is ") -> dict[str, int]:
    """How many rows were rejected for each kind of reason: the cell that stands `before` the verb is left out.

    >>> kinds_of(pd.Series(["price: 0 is not above 0", "price: -1 is not above 0", "id is blank"]))
    {'price is not above 0': 2, 'id is blank': 1}
    """
    kinds = reasons.astype(object).str.replace(f": .*{before}", before, regex=True).value_counts(sort=False)
    return {str(kind): int(count) for kind, count in kinds.items()}


def _rejected_findings(source: Source, rejected: Mapping[str, int]) -> list[Finding]:
    """A warning with the most frequent reason; an error when more than half of the rows cannot be used."""
    if not rejected:
        return []
    count, total, reason = sum(rejected.values()), source.rows, max(rejected, key=lambda kind: rejected[kind])
    if count * 2 > total:
        what = f"{count:,} of {total:,} rows cannot be used, most because: {reason}."
        return [Finding("error", source.name, what, "Check that these are the right columns and repair them.", count)]
    what = f"{plural(count, 'row was', 'rows were')} rejected, most because: {reason}."
    return [Finding("warning", source.name, what, "See the rejected rows, each with its reason.", count)]


# -------------------------------------------------------------------------------------------------------- rows

def one_row_each(taken: Taken, raw: Raw, instead: str = "", most: float = 1.0) -> Taken:
    """One row per customer: exact repetitions are dropped with a finding, contradictions are an error finding, which
    says what to do `instead` of mending the file where at `most` that share of the rows contradicts."""
    repeated = taken.frame.duplicated()
    frame, findings = taken.frame[~repeated], list(taken.findings)
    if repeated.any():
        count = int(repeated.sum())
        findings.append(Finding("warning", raw.name, f"{plural(count, 'row repeats', 'rows repeat')} another exactly.",
                                "One of each was kept.", count))
    conflicting = frame["customer_id"].duplicated(keep=False)
    if conflicting.any():
        names = ", ".join(frame.loc[conflicting, "customer_id"].unique()[:3])
        count = int(conflicting.sum())
        what = f"{count} rows share an id with a row that says something else, such as {names}."
        fix = f"Keep one row per customer{instead if conflicting.mean() <= most else ''}."
        findings.append(Finding("error", raw.name, what, fix, count))
    return replace(taken, frame=frame, findings=tuple(findings))


def by_onboarding(file: str, name: str, *options: str) -> str:
    """What keeps the latest row of each customer unasked, as the end of an advice.

    >>> by_onboarding("my customers.csv", "acme")
    ", or let onboard keep the latest of each: python -m engine onboard 'my customers.csv' --name acme"
    """
    command = shlex.join(["python", "-m", "engine", "onboard", file, "--name", name, *options])
    return f", or let onboard keep the latest of each: {command}"


def refuse_errors(findings: Iterable[Finding]) -> None:
    """DataError with every error among the findings, if there is any."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise DataError(errors)


def unsaid_window(days: int) -> str:
    """What is said of a file that does not say within how many days its customers left.

    >>> unsaid_window(91)
    'The file does not say within how many days they left: 91 days are taken. Every figure of money hangs on it.'
    """
    return (f"The file does not say within how many days they left: {days} days are taken. Every figure of money "
            "hangs on it.")


def horizon(options: Options, default: int) -> tuple[int, bool]:
    """The label's window [days] and whether it was assumed."""
    told = options.get("horizon_days")
    if told is None:
        return default, True
    if not isinstance(told, (int, float)) or isinstance(told, bool) or told != int(told) or not 1 <= told <= 3660:
        raise EngineError(f"horizon_days is {told!r}. Give a whole number of days from 1 to 3660.")
    return int(told), False
