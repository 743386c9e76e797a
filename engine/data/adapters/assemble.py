"""From sources to a Reading: which source plays which part, then writing the tables and naming the version."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.data.adapters import spool
from engine.data.adapters.common import (
    CONTACT_FIELDS,
    NOT,
    SOME,
    Field,
    Options,
    Taken,
    by_onboarding,
    lacking,
    match,
    one_row_each,
    other_fields,
    refuse_errors,
    rejects,
    take,
    told_of,
)
from engine.data.adapters.events import (
    EVENT_FIELDS,
    UNKNOWN,
    are_events,
    are_offers,
    event_names,
    events_of,
    events_table,
    of_known_customers,
    strangers,
    take_events,
    take_offers,
    told_of_ids,
    told_of_kinds,
    told_of_strangers,
)
from engine.data.chunks import Chunks, is_big, open_chunks
from engine.data.readers import Raw, column_names, read_raw
from engine.errors import EngineError
from engine.schema import Column, Dataset, Finding, LabelRule, MoneyRule, Reading, jsonable, plural

DATA_FORMAT = 1
REJECTED = "rejected.parquet"
ISO_CODE = 3
SAME_SIGN = {"USD": "ARS AUD BRL CAD CLP COP HKD MXN NZD SGD TWD", "GBP": "EGP FKP GIP"}
Role = Literal["customers", "orders", "events", "offers"]


@dataclass(frozen=True)
class Ask:
    """What a caller wants read: the dataset's name, where to write it, and what the adapter is told."""

    adapter: str
    sector: str
    kind: Literal["snapshot", "orders", "events"]
    name: str
    into: Path
    observed_until: datetime | None
    now: datetime
    options: Options


@dataclass(frozen=True)
class Gathered:
    """Everything taken from the sources, before anything is written."""

    raws: tuple[Raw | Chunks, ...]
    customers: pd.DataFrame
    columns: tuple[Column, ...]
    findings: tuple[Finding, ...]
    rejected: tuple[pd.DataFrame | Path, ...]
    events: pa.Table | Path | None = None
    offers: pd.DataFrame | None = None
    currency: str = ""
    learned: Mapping[str, Any] = field(default_factory=dict)


# ----------------------------------------------------------------------------------------------------- sources

def sorted_by_role(sources: Sequence[Path], role: Callable[[Sequence[str]], Role | None], wanted: str,
                   missing: Callable[[Sequence[str]], Sequence[str]] = lambda _: ()) -> dict[Role, list[Path]]:
    """The sources by the part they play; EngineError for a file that plays none, with what is `missing` of it."""
    if not sources:
        raise EngineError("No file was given. Name at least one source.")
    found: dict[Role, list[Path]] = {"customers": [], "orders": [], "events": [], "offers": []}
    for path in sources:
        names = column_names(path)
        part = role(names)
        if part is None:
            lacks = f" It lacks {', '.join(missing(names))}." if missing(names) else ""
            raise EngineError(f"{path.name} fits nothing that is read here: {wanted}.{lacks} Its columns are: "
                              f"{', '.join(names[:30])}.")
        found[part].append(path)
    return found


def extra_role(names: Sequence[str]) -> Role | None:
    """Whether the columns are those of past offers or of events."""
    return "offers" if are_offers(names) else "events" if are_events(names) else None


def gather_snapshot(ask: Ask, sources: Sequence[Path], fields: Sequence[Field], shape: Callable[[Taken, Raw], Taken],
                    found: Mapping[str, str] | None = None, ignored: Sequence[str] = ()) -> Gathered:
    """One customers file through `fields` and `shape`, with its contact and further columns, and extra sources.

    found: by canonical name the file's column, where a mapping says so; else columns are found by their names.
    """

    def role(names: Sequence[str]) -> Role | None:
        fits = not lacking(fields, names) if found is None else set(found.values()) <= set(names)
        return extra_role(names) or ("customers" if fits else None)

    parts = sorted_by_role(sources, role, _lacks(sources, fields))
    if len(parts["customers"]) != 1:
        raise EngineError(f"{len(parts['customers'])} of the files hold customers. Give exactly one such file, and "
                          "beside it events and past offers if you like.")
    raw = read_raw(parts["customers"][0])
    rows = take_all(raw, fields, ask.options, found, ignored)
    taken = shape(one_row_each(rows, raw, by_onboarding(raw.name, ask.name, "--anew"), SOME), raw)
    return with_extras(ask, parts, [raw], taken, features=fields)


def _lacks(sources: Sequence[Path], fields: Sequence[Field]) -> str:
    best = min((lacking(fields, column_names(path)) for path in sources), key=len)
    return f"customers lack the columns {', '.join(best)}" if best else "not customers, events or past offers"


def take_all(raw: Raw, fields: Sequence[Field], options: Options, told: Mapping[str, str] | None = None,
             ignored: Sequence[str] = ()) -> Taken:
    """The wanted fields, contact fields, and every further column by what its values show."""
    from engine.data.doctor import consents

    unread: list[Finding] = []
    if told is None and raw.columns is None:
        raw, spoken, unread = consents.agreed(raw, consents.of_frame(raw.frame))
        ignored = (*ignored, *spoken)
    wanted, names = (*fields, *CONTACT_FIELDS), [name for name in raw.frame.columns if name not in ignored]
    found = match(wanted, names) if told is None else {**match(CONTACT_FIELDS, set(names) - set(told.values())), **told}
    others, more = other_fields(raw, {*found.values(), *ignored}, [field.name for field in wanted])
    taken = take(raw, (*fields, *more, *CONTACT_FIELDS), found | others, options)
    taken = replace(taken, findings=(*taken.findings, *unread))
    if not others:
        return taken
    what = f"{plural(len(others), 'further column')}: {', '.join(others.values())}."
    fix = ("Kept, each by the type its values show." if told else
           "Kept with the customers, but not learned from; describe the file in a mapping to learn from them.")
    note = Finding("note", raw.name, what, fix, 0)
    return replace(taken, findings=(*taken.findings, note))


def with_extras(ask: Ask, parts: Mapping[Role, Sequence[Path]], raws: Sequence[Raw | Chunks], customers: Taken,
                events: Sequence[Taken] = (), features: Sequence[Field] = ()) -> Gathered:
    """Customers (and their orders) together with the events and past offers of the extra sources."""
    known = set(customers.frame["customer_id"])
    more_raws, happened, made = list(raws), list(events), []
    for path in parts["events"]:
        raw, taken = _taken_events(path, len(more_raws), ask, known)
        more_raws.append(raw)
        happened.append(taken)
    for path in parts["offers"]:
        more_raws.append(raw := read_raw(path))
        made.append(take_offers(raw, ask.options, features))
    table, repeated = _events(ask, happened) if happened else (None, ())
    every = [customers, *happened, *made]
    return Gathered(
        raws=tuple(more_raws), customers=customers.frame, columns=customers.columns, events=table,
        offers=pd.concat([taken.frame for taken in made], ignore_index=True) if made else None,
        findings=(*(f for raw in more_raws for f in raw.findings), *(f for t in every for f in t.findings), *repeated),
        rejected=tuple(rows for taken in every for rows in refused_of(taken)),
        currency=next((taken.currency for taken in every if taken.currency), ""),
        learned={"percent": dict(customers.percent)} if customers.percent else {},
    )


def refused_of(taken: Taken) -> tuple[pd.DataFrame | Path, ...]:
    """What could not be taken of a file, in memory and beside it."""
    return taken.rejected, *taken.refused


# ------------------------------------------------------------------------------------------------------- chunks

Part = Callable[[Raw], tuple[Taken, list[pd.DataFrame]]]


def in_chunks(chunks: Chunks, number: int, ask: Ask, one: Part) -> tuple[Taken, Mapping[str, int], list[spool.Rejects]]:
    """A big file's events and rejected rows, written aside chunk by chunk.

    `one` takes a chunk: its events, and one frame of refused rows for each sort of reason. Returned are all of it, why
    cells could not be read, and the refused rows of each sort.
    """
    parts: list[Path] = []
    cells, lost = (spool.Rejects(ask.into, f"{number}-{sort}", NOT) for sort in ("cells", "lost"))
    sorts: list[spool.Rejects] = []
    for raw in chunks:
        taken, more = one(raw)
        parts.append(spool.keep_part(ask.into, number, taken.frame))
        split = len(taken.rejected) - len(raw.rejected)
        sorts = sorts or [spool.Rejects(ask.into, f"{number}-{place}") for place in range(len(more))]
        for kept, rows in zip((cells, lost, *sorts), (taken.rejected.iloc[:split], taken.rejected.iloc[split:], *more),
                              strict=True):
            kept.add(rows)
    chunks.columns.forget()
    refused = tuple(path for kept in (cells, lost, *sorts) for path in kept.parts)
    whole = replace(taken, frame=taken.frame.iloc[:0], rejected=taken.rejected.iloc[:0], parts=tuple(parts),
                    refused=refused)
    return whole, cells.kinds + lost.kinds, sorts


def events_in_chunks(chunks: Chunks, number: int, ask: Ask, known: Collection[str] | None = None) -> Taken:
    """What `take_events` takes, of a big file, the events written aside; only those of the `known` customers."""
    events = 0

    def one(raw: Raw) -> tuple[Taken, list[pd.DataFrame]]:
        nonlocal events
        taken, unknown = events_of(raw, number, ask.options)
        events += len(taken.frame)
        strange = strangers(taken.frame, taken.frame["customer_id"] if known is None else known)
        kept = replace(taken, frame=taken.frame.drop(index=strange.index))
        return kept, [rejects(raw, unknown), rejects(raw, strange.map(UNKNOWN.format))]

    taken, cells, (unknown, strange) = in_chunks(chunks, number, ask, one)
    found = match(EVENT_FIELDS, chunks.names)
    example = strange.first.removeprefix("customer ").removesuffix(" is unknown")
    findings = (*told_of(chunks, EVENT_FIELDS, found, cells),
                *told_of_kinds(chunks.name, unknown.kinds.total(), unknown.first, events),
                *told_of_strangers(chunks.name, strange.kinds.total(), example.strip("'")))
    return replace(taken, findings=findings)


def _taken_events(path: Path, number: int, ask: Ask, known: Collection[str]) -> tuple[Raw | Chunks, Taken]:
    if is_big(path):
        chunks = open_chunks(path)
        return chunks, events_in_chunks(chunks, number, ask, known)
    raw = read_raw(path)
    return raw, of_known_customers(take_events(raw, number, ask.options), raw, known)


def all_parts(ask: Ask, happened: Sequence[Taken]) -> list[Path]:
    """The files of all events, in the order in which they were read; those of small files are written aside too."""
    found: list[Path] = []
    for taken in happened:
        number = int(found[-1].name[:spool.DIGITS]) if found else 0  # sorts after it, and before what comes next
        found += taken.parts or [spool.keep_part(ask.into, number, taken.frame)]
    return found


def _events(ask: Ask, happened: Sequence[Taken]) -> tuple[pa.Table | Path, tuple[Finding, ...]]:
    """All events sorted, in memory or, once one of the files was big, on the disk; and an error where ids repeat."""
    if not any(taken.parts for taken in happened):
        return events_table([taken.frame for taken in happened])
    parts = all_parts(ask, happened)
    columns = {column.name for taken in happened for column in taken.columns}
    repeated = spool.repeated_ids(parts, ask.into) if "event_id" in columns else (0, "")
    return spool.sort_parts(parts, event_names(taken.frame for taken in happened), ask.into), told_of_ids(*repeated)


# ----------------------------------------------------------------------------------------------------- moments

def observed_until(ask: Ask, events: pa.Table | Path | None) -> datetime | None:
    """The moment up to which everything is known: as told, or the midnight after the last event; None without."""
    told = ask.observed_until or ask.options.get("observed_until")
    if told is not None:
        return _moment(told)
    past, last = (None, None) if events is None else _last(events, ask.now)
    known = past or last
    return datetime.combine(known.date() + timedelta(days=1), time()) if known else None


def _last(events: pa.Table | Path, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The time of the last event up to `now`, and of the last one of all."""
    if isinstance(events, Path):
        return spool.last_moments(events, now)
    times = pd.Series(events.column("at").to_pandas())
    past, last = times[times <= now].max(), times.max()
    return None if pd.isna(past) else past, None if pd.isna(last) else last


def _moment(told: object) -> datetime:
    if isinstance(told, str):
        try:
            told = datetime.fromisoformat(told)
        except ValueError as problem:
            raise EngineError(f"observed_until is {told!r}. Write it as 2011-12-10.") from problem
    if isinstance(told, date) and not isinstance(told, datetime):
        told = datetime.combine(told, time())
    if not isinstance(told, datetime):
        raise EngineError(f"observed_until is {told!r}. Write it as 2011-12-10.")
    return told.astimezone(UTC).replace(tzinfo=None) if told.tzinfo else told


def _undated(name: str, today: datetime) -> Finding:
    return Finding("note", name, f"The file does not say when it was drawn; today ({today:%Y-%m-%d}) is taken.",
                   "Give the day (Drawn on, or --as-of): it dates every score, and read on another day the same "
                   "file becomes another version.", 0)


# ----------------------------------------------------------------------------------------------------- writing

def finish(ask: Ask, gathered: Gathered, label: LabelRule, money: MoneyRule, *, currency: str = "",
           sector: str = "") -> Reading:
    """Write the tables and return the Reading; DataError, and nothing written, if any finding is an error."""
    refuse_errors(gathered.findings)
    said = ask.options.get("currency") or currency
    dated, today = observed_until(ask, gathered.events), datetime.combine(ask.now.date(), time())
    until, undated = dated or today, () if dated else (_undated(gathered.raws[0].name, today),)
    columns = tuple(column for column in gathered.columns if column.name != "customer_id")
    tables: dict[str, pa.Table | Path] = {"customers": _customers(gathered.customers, columns)}
    tables |= {} if gathered.events is None else {"events": gathered.events}
    tables |= {} if gathered.offers is None else {"offers": _plain(gathered.offers)}
    refused = _rejected(gathered.rejected, ask.into)
    paths = _write(tables, ask.into)
    spool.clear(ask.into)
    dataset = Dataset(
        name=ask.name, version=version(ask, gathered.raws, until), kind=ask.kind, adapter=ask.adapter,
        sector=ask.options.get("sector") or sector or ask.sector,
        currency=said or gathered.currency,
        label=label, money=money, observed_until=until, synthetic=bool(ask.options.get("synthetic", False)),
        customers=paths["customers"], columns=columns, events=paths.get("events"), offers=paths.get("offers"),
        sources=tuple(raw.source for raw in gathered.raws), options=jsonable({**ask.options, **gathered.learned}),
    )
    return Reading(dataset, (*gathered.findings, *undated, *_other_currency(said, gathered.currency)), refused)


def _other_currency(said: str, signs: str) -> tuple[Finding, ...]:
    """A severe finding where the values or their column's name say another currency than the one agreed on."""
    if not signs or len(said) != ISO_CODE or said.upper() in {signs, *SAME_SIGN.get(signs, "").split()}:
        return ()
    return (Finding("severe", "currency", f"The money was agreed to be in {said}, and the values, or a column's "
                    f"name, carry the sign of {signs}: every amount is called {said} as it stands.",
                    f"Bring the amounts in {said}, or name their currency (Currency, or --currency {signs})."),)


def version(ask: Ask, raws: Sequence[Raw | Chunks], until: datetime) -> str:
    """12 hexadecimal digits that change with the sources' bytes, the adapter, its options, or the data's format."""
    said = [DATA_FORMAT, [raw.source.sha256 for raw in raws], ask.adapter, jsonable(ask.options), until.isoformat()]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def _customers(frame: pd.DataFrame, columns: Sequence[Column]) -> pa.Table:
    return _plain(whole_numbers(frame[["customer_id", *(column.name for column in columns)]], columns))


def whole_numbers(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Counts and flags as int64 where no value is missing or broken."""
    whole = {column.name: "int64" for column in columns if column.kind in {"count", "flag"}
             and frame[column.name].notna().all() and (frame[column.name] == np.floor(frame[column.name])).all()}
    return frame.astype(whole)


def _plain(frame: pd.DataFrame) -> pa.Table:
    """The frame without index or pandas metadata; columns without a known value are text or number by their dtype."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    empty = [pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(empty))


def _write(tables: Mapping[str, pa.Table | Path], into: Path) -> dict[str, Path]:
    """The tables as Parquet, all under temporary names first, so that the folder never holds half of them."""
    paths = {name: into / f"{name}.parquet" for name in tables}
    halves = {name: into / f"{name}.parquet.half" for name in tables}
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            if isinstance(table, Path):
                table.replace(halves[name])
            else:
                pq.write_table(table, halves[name], compression="zstd")
        for name, half in halves.items():
            half.replace(paths[name])
    except OSError as problem:
        for half in halves.values():
            with contextlib.suppress(OSError):
                half.unlink()
        raise EngineError(f"{into} cannot be written: {problem.strerror or problem}. "
                          "Free space there, or choose another folder.") from problem
    return paths


def _rejected(parts: Sequence[pd.DataFrame | Path], into: Path) -> pd.DataFrame | Path:
    """All rejected rows: in memory or, once one of the files was big, in a file of the folder."""
    full = [part for part in parts if isinstance(part, Path) or len(part)]
    frames = [part for part in full if isinstance(part, pd.DataFrame)]
    if len(frames) < len(full):
        return spool.all_rejects(full, into / REJECTED)
    if not full:
        return pd.DataFrame({"source": [], "row": [], "reason": []}, dtype=object).astype({"row": "int64"})
    every = pd.concat(frames, ignore_index=True)
    last = ["source", "row", "reason"]
    texts = every.drop(columns=last).fillna("")
    return pd.concat([texts, every[last].astype({"row": "int64"})], axis=1)
