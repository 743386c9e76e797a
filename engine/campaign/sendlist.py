"""A campaign's rows as the files that a tool imports, with whoever could not be sent beside them, and a manifest.

Nobody held out is ever in a list, nor anybody who has not agreed to the channel. A key, an address or a message is
written as it is or the row is left out; another cell that a spreadsheet would compute is left empty. So no vendor's
file has an apostrophe that the company did not write, and none begins a cell with a formula; E.164 numbers keep their
plus.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from engine.campaign.addresses import e_mail, masked
from engine.campaign.contact_rules import ADDRESSES, WORDS
from engine.campaign.export import FORMULA, UNPRINTABLE, printable
from engine.campaign.phones import country_of, e164
from engine.campaign.sendfiles import ENDINGS, csv_parts, iso, table_parts
from engine.campaign.vendors import (
    CLOSED,
    SALESFORCE_IDS,
    VENDORS,
    Field,
    Layout,
    Settings,
    Vendor,
    given,
    salesforce_id,
)
from engine.decision.consents import CONSENTS
from engine.errors import EngineError, choose
from engine.schema import ASSIGNMENTS, CONTACT, Column, plural

SINCE = "since the launch"
LEFT_OUT, EMPTIED = "row left out", "cell left empty"
REJECTED = (
    Column("customer_id", "id", "", "The customer, as the company calls it"),
    Column("column", "text", "", "Where the fault is"),
    Column("value", "text", "", "What stood there, masked"),
    Column("reason", "text", "", "What is wrong with it"),
    Column("effect", "text", "", f"{LEFT_OUT}, or {EMPTIED}"),
)
NUMBER_LIKE = re.compile(r"[+-]?\d+")
Cleaned = tuple[str, str]


@dataclass(frozen=True)
class Exported:
    """What was made: file name -> bytes (the lists, rejected rows, manifest.json), the rejected rows with their
    reasons (values masked), and the manifest: counts, limits, and the sha256 of each file."""

    files: Mapping[str, bytes]
    rejected: pd.DataFrame
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class _Part:
    """One file of a list."""

    layout: str
    rows: int
    content: bytes


NOBODY = pd.DataFrame({"customer_id": [], "reason": []}, dtype=object)


def export_rows(rows: pd.DataFrame, vendor: str, settings: Settings, stopped: pd.DataFrame = NOBODY, *,
                now: datetime) -> Exported:
    """The rows as the files that the vendor's tool imports.

    Args:
        rows: ASSIGNMENTS from the ledger, joined with the CONTACT columns that the data hold; for a suppression list
            customer_id and email. vendor: one of VENDORS. stopped: who was to be sent to and must not be any more
            (customer_id, reason), for the rejected rows. now: for the manifest, naive UTC.

    Raises:
        EngineError: when there are no rows, when a row is held out or left alone, when the data lack what the tool is
            keyed by, or a setting is wrong.
    """
    tool = choose("export", vendor, VENDORS)
    told = given(settings, tool)
    _guard(rows, tool)
    rows = rows.reset_index(drop=True)
    found = [*_without_id(rows), *(_not_agreed(rows) if tool.sends else ())]
    bad = {place for place, *_ in found}
    parts, more = (_table if tool.layouts[0].fields == () else _lists)(rows, bad, tool, settings, told, now)
    found += more
    rejected = pd.concat([_rejected(rows, found), _stopped(stopped)], ignore_index=True)
    return _exported(rows, parts, rejected, tool, settings, now)


def _guard(rows: pd.DataFrame, tool: Vendor) -> None:
    """Refuse what must never leave, whoever asks for it."""
    if not len(rows):
        raise EngineError("Nobody is on this list, so there is nothing to export. Choose another campaign or audience.")
    if rows["customer_id"].dropna().duplicated().any():
        raise EngineError("A customer stands twice in the rows to export. Export one campaign at a time.")
    if not tool.sends:
        return
    if "holdout" not in rows or not (pd.to_numeric(rows["holdout"], errors="coerce") == 0).all():
        raise EngineError("Customers who are held out to measure the campaign are among the rows to export; they must "
                          "never be contacted. Export the campaign from the ledger.")
    closed = rows["treatment"].isin(CLOSED)
    if closed.any():
        raise EngineError(f"{plural(int(closed.sum()), 'customer is', 'customers are')} to be left alone by the plan "
                          "and cannot be exported for contact. Export the campaign from the ledger.")


Fault = tuple[Any, str, object, str, str]  # row, column, value, reason, effect


def _without_id(rows: pd.DataFrame) -> Iterator[Fault]:
    blank = rows["customer_id"].isna() | (rows["customer_id"].astype(str).str.strip() == "")
    for place in rows.index[blank]:
        yield place, "customer_id", None, "empty", LEFT_OUT


def _not_agreed(rows: pd.DataFrame) -> Iterator[Fault]:
    """Consent to the row's own channel; what the data do not say is no consent."""
    for channel, consent in CONSENTS.items():
        mine = rows["channel"] == channel
        if consent not in rows:
            reason = f"the data do not say who agreed to {WORDS[channel]}"
            yield from ((place, consent, None, reason, LEFT_OUT) for place in rows.index[mine])
            continue
        agreed = rows[consent].astype("float64").fillna(0.0) == 1
        for place in rows.index[mine & ~agreed]:
            yield place, consent, None, f"no consent to {WORDS[channel]}", LEFT_OUT


# ------------------------------------------------------------------------------------------- what tools import


def _lists(rows: pd.DataFrame, bad: set[int], tool: Vendor, settings: Settings, told: Mapping[str, str],
           _now: datetime) -> tuple[list[_Part], list[Fault]]:
    """The rows that are left by the layout of their channel, cleaned and cut into parts."""
    kept = rows.drop(index=sorted(bad))
    channels = kept["channel"].astype(str) if "channel" in kept else pd.Series("", kept.index)
    parts, faults = [], list(_not_served(channels, tool))
    for layout in tool.layouts:
        mine = kept[channels.isin(layout.channels)] if layout.channels else kept
        if len(mine):
            cells, more = _cleaned(mine, layout, tool, settings, told)
            faults += more
            most = min(tool.most_rows, settings.most_rows), min(tool.most_bytes, settings.most_bytes)
            header = [_header(field, settings) for field in layout.fields]
            parts += [_Part(layout.name, count, content)
                      for count, content in csv_parts(header, cells.itertuples(index=False), *most)]
    return parts, faults


def _not_served(channels: pd.Series, tool: Vendor) -> Iterator[Fault]:
    served = ", ".join(WORDS.get(channel, channel) for layout in tool.layouts for channel in layout.channels)
    for place, channel in channels.items():
        if tool.layout_of(channel) is None:
            yield place, "channel", None, f"{tool.name} is for {served}; the plan says {channel}", LEFT_OUT


def _header(field: Field, settings: Settings) -> str:
    header = settings.salesforce_id if field.kind == "salesforce" else field.header
    return settings.headers.get(header, header)


def _cleaned(rows: pd.DataFrame, layout: Layout, tool: Vendor, settings: Settings, told: Mapping[str, str]
             ) -> tuple[pd.DataFrame, list[Fault]]:
    """Each row's cells as text, and the faults; rows with a fault where it may not be are not among the cells."""
    cells, faults, out = {}, [], set()
    for field in layout.fields:
        _held(field, rows, tool)
        values = _cells(field, rows, tool, settings, told)
        cells[field.header] = values.map(lambda cell: cell[0])
        wrong = values[values.map(lambda cell: cell[1] != "")]
        faults += [(place, field.source, _raw(rows, field, place), cell[1],
                    LEFT_OUT if field.unchangeable else EMPTIED) for place, cell in wrong.items()]
        out |= set(wrong.index) if field.unchangeable else set()
    key, frame = layout.key, pd.DataFrame(cells).drop(index=sorted(out))
    twice = frame.index[frame[key.header].duplicated()]
    again = [(place, key.source, _raw(rows, key, place), "the same as another customer's", LEFT_OUT) for place in twice]
    return frame.drop(index=twice), [*_first_per_row(faults), *again]


def _first_per_row(faults: list[Fault]) -> list[Fault]:
    """Of a row that is left out the first fault that does so; of others all."""
    out: dict[int, Fault] = {}
    for fault in faults:
        if fault[4] == LEFT_OUT:
            out.setdefault(fault[0], fault)
    return [*out.values(), *(fault for fault in faults if fault[0] not in out)]


def _held(field: Field, rows: pd.DataFrame, tool: Vendor) -> None:
    if field.key and field.source not in rows:
        first = {name: other.layouts[0] for name, other in VENDORS.items()}
        by_id = ", ".join(name for name, own in first.items() if own.fields and own.key.source == "customer_id")
        raise EngineError(f"{tool.name} knows people by {field.source}, and the data have no column {field.source}. "
                          f"Add it to the customers' file, or take one that knows them by their id: {by_id}.")


def _raw(rows: pd.DataFrame, field: Field, place: Any) -> object:
    return rows.at[place, field.source] if field.source in rows else None


def _cells(field: Field, rows: pd.DataFrame, tool: Vendor, settings: Settings, told: Mapping[str, str]) -> pd.Series:
    """(cell, fault) per row; every distinct value is cleaned once."""
    if field.kind == "given":
        return pd.Series([(told[field.source], "")] * len(rows), rows.index, dtype=object)
    if field.source not in rows:
        return pd.Series([("", "")] * len(rows), rows.index, dtype=object)
    values = rows[field.source].astype(object)
    clean = _cleaner(field, tool, settings)
    known = {value: clean(value) for value in values.dropna().unique()}
    nothing = ("", "empty" if field.key else "")
    return values.map(lambda value: nothing if pd.isna(value) else known[value])


def _cleaner(field: Field, tool: Vendor, settings: Settings) -> Callable[[Any], Cleaned]:
    country = settings.country.strip().upper()
    def address(clean: Callable[[str], Cleaned]) -> Callable[[Any], Cleaned]:
        """A blank cell is a fault only where the file is keyed by it."""
        return lambda value: clean(str(value)) if field.key or str(value).strip() else ("", "")

    kinds: Mapping[str, Callable[[Any], Cleaned]] = {
        "email": address(e_mail), "phone": address(lambda text: e164(text, country)), "id": _id,
        "country": lambda value: _country(value, country), "text": lambda value: _text(str(value), tool),
        "salesforce": lambda value: salesforce_id(str(value), SALESFORCE_IDS[settings.salesforce_id]),
        "number": lambda value: (f"{float(value):g}", ""),
        "day": lambda value: (f"{pd.Timestamp(value):%Y-%m-%d}", ""),
        "moment": lambda value: (f"{pd.Timestamp(value):%Y-%m-%dT%H:%M:%SZ}", ""),
    }
    return kinds[field.kind]


def _country(value: object, default: str) -> Cleaned:
    number, fault = e164(str(value), default)
    country = "" if fault else country_of(number)
    return country, fault or ("" if country else "a number of no country")


def _id(value: object) -> Cleaned:
    """An id as it is; one that a spreadsheet would compute cannot be written without changing whom it means."""
    text = str(value).strip()
    if not text:
        return "", "empty"
    if UNPRINTABLE.search(text):
        return "", "a character that does not show"
    return ("", "begins as a formula") if FORMULA.match(text) and not NUMBER_LIKE.fullmatch(text) else (text, "")


def _text(text: str, tool: Vendor) -> Cleaned:
    if FORMULA.match(text):
        return "", "begins as a formula"
    text, size = printable(text), len(text.encode())
    return ("", f"{size} bytes; {tool.name} takes {tool.most_text:.0f}") if size > tool.most_text else (text, "")


# ------------------------------------------------------------------------------------------------- whole tables


def _table(rows: pd.DataFrame, bad: set[int], tool: Vendor, settings: Settings, told: Mapping[str, str],
           now: datetime) -> tuple[list[_Part], list[Fault]]:
    """All that the ledger knows of the rows that are left, addresses cleaned."""
    kept = rows.drop(index=sorted(bad)).copy()
    faults: list[Fault] = []
    country = settings.country.strip().upper()
    for name, clean in (("email", e_mail), ("phone", lambda text: e164(text, country))):
        if name in kept:
            needed = kept["channel"].map(ADDRESSES) == name
            values = kept[name].astype(object).map(lambda value: "" if pd.isna(value) else str(value).strip())
            cells = values.map({value: clean(value) for value in values.unique()})
            kept[name] = cells.map(lambda cell: cell[0] or None)
            wrong = cells[cells.map(lambda cell: cell[1] != "") & (needed | (values != ""))]
            out = set(kept.index[needed])
            faults += [(place, name, rows.at[place, name], cell[1], LEFT_OUT if place in out else EMPTIED)
                       for place, cell in wrong.items()]
    kept = kept.drop(index=[place for place, *_, effect in faults if effect == LEFT_OUT])
    columns = [column for column in (*ASSIGNMENTS, *CONTACT) if column.name in kept]
    facts = [("campaign", told["campaign"]), ("synthetic", "yes: an invented company" if settings.synthetic else "no"),
             ("made at", f"{now:%Y-%m-%d %H:%M} UTC"), ("customers", f"{len(kept):,}")]
    parts = table_parts(tool.format, columns, kept, facts, min(tool.most_rows, settings.most_rows),
                        min(tool.most_bytes, settings.most_bytes)) if len(kept) else []
    return [_Part("list", count, content) for count, content in parts], faults


# ---------------------------------------------------------------------------------------- what goes beside them


def _rejected(rows: pd.DataFrame, faults: list[Fault]) -> pd.DataFrame:
    """The faults in the rows' order; values masked."""
    told = [(rows.at[place, "customer_id"], column, masked(value), reason, effect)
            for place, column, value, reason, effect in sorted(faults, key=lambda fault: fault[0])]
    return pd.DataFrame(told, columns=[column.name for column in REJECTED], dtype=object)


def _stopped(rows: pd.DataFrame) -> pd.DataFrame:
    """Who must not be contacted any more, as rejected rows."""
    more = {"column": SINCE, "value": "", "effect": LEFT_OUT}
    return rows.assign(**more)[[column.name for column in REJECTED]].astype(object)


def _exported(rows: pd.DataFrame, parts: list[_Part], rejected: pd.DataFrame, tool: Vendor, settings: Settings,
              now: datetime) -> Exported:
    files, told = {}, []
    for part, name in zip(parts, _file_names(parts, tool, settings), strict=True):
        files[name] = part.content
        told.append({**_fingerprint(name, part.content), "kind": part.layout, "rows": part.rows})
    if len(rejected):
        name = f"{_stem(tool, settings)}-rejected.csv"
        [(count, content)] = table_parts("csv", REJECTED, rejected, (), float("inf"), float("inf"))
        files[name] = content
        told.append({**_fingerprint(name, content), "kind": "rejected", "rows": count})
    manifest = _manifest(rows, rejected, tool, settings, now, told)
    content = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False).encode()
    return Exported({**files, f"{_stem(tool, settings)}-manifest.json": content}, rejected, manifest)


def _manifest(rows: pd.DataFrame, rejected: pd.DataFrame, tool: Vendor, settings: Settings, now: datetime,
              files: list[dict[str, Any]]) -> dict[str, Any]:
    out = rejected[rejected["effect"] == LEFT_OUT]
    trace = {name: sorted(rows[name].dropna().astype(str).unique()) for name in
             ("campaign_id", "run_id", "model_id", "policy_id", "approved_by") if name in rows}
    return {
        "export": tool.name, "campaign": settings.campaign, "synthetic": settings.synthetic, "made_at": iso(now),
        "rows": len(rows) + int((rejected["column"] == SINCE).sum()),
        "written": sum(file["rows"] for file in files if file["kind"] != "rejected"),
        "left_out": len(out), "cells_left_empty": len(rejected) - len(out),
        "reasons": {str(reason): int(count) for reason, count in rejected["reason"].value_counts().items()},
        "default_country": settings.country.strip().upper() or None, "headers_changed": dict(settings.headers),
        "consent": "every row has agreed to its channel" if tool.sends else "not asked: nobody is contacted",
        "trace": trace, "files": files,
    }


def _fingerprint(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _stem(tool: Vendor, settings: Settings) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", settings.campaign.lower()).strip("-")[:60].strip("-") or "campaign"
    return f"{'synthetic-' if settings.synthetic else ''}{slug}-{tool.name.replace('_', '-')}"


def _file_names(parts: list[_Part], tool: Vendor, settings: Settings) -> Iterator[str]:
    """One name per part: campaign, tool, channel where the tool has several files, and which of how many."""
    counts = {part.layout: sum(other.layout == part.layout for other in parts) for part in parts}
    seen: dict[str, int] = dict.fromkeys(counts, 0)
    for part in parts:
        seen[part.layout] += 1
        kind = f"-{part.layout}" if len(tool.layouts) > 1 else ""
        which = f"-part-{seen[part.layout]}-of-{counts[part.layout]}" if counts[part.layout] > 1 else ""
        yield f"{_stem(tool, settings)}{kind}{which}.{ENDINGS[tool.format]}"
