"""Files looked at: for the first time, or as was agreed when an earlier file of the dataset came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from engine.catalog import dataset_folder
from engine.data.adapters import ADAPTERS
from engine.data.adapters import mapping as mappings
from engine.data.doctor import (
    besides,
    changes,
    cures,
    faults,
    gathering,
    joins,
    kinds,
    leavers,
    monies,
    stopping,
    tables,
)
from engine.data.doctor import propose as proposing
from engine.data.doctor.faults import Fault
from engine.data.doctor.looks import Look, beside_key, looks
from engine.data.doctor.recognise import ENOUGH, HALF, Part
from engine.data.doctor.rivals import rivals, who_left
from engine.data.doctor.vocabulary import NO, YES, word
from engine.data.names import snake
from engine.data.readers import Raw
from engine.data.sources import brought
from engine.data.telltales import proves
from engine.errors import EngineError, choose
from engine.onboarding import renames
from engine.onboarding.examining import examined
from engine.onboarding.memory import kept, kept_portrait
from engine.onboarding.proposal import Cure, Proposal, written
from engine.permissions import allow
from engine.schema import Actor

SNAPSHOT, UNLABELLED = "snapshot", "snapshot without a label"
AGREED, UNASKED = "as agreed before", "as before, to which nobody has agreed"
MAY_LACK = frozenset({"tenure", "recency", *mappings.CONTACT_KEYS})
KEPT = ("currency", "horizon_days")
NOTHING: Mapping[str, Any] = {}


def propose(sources: Sequence[str | Path], *, name: str, actor: Actor, now: datetime,
            observed_until: datetime | None = None, mapping: Mapping[str, Any] | None = None, anew: bool = False,
            adapter: str | None = None, options: Mapping[str, Any] = NOTHING, queries: Sequence[str] = ()) -> Proposal:
    """What the files are and how they would be read; the dataset's kept mapping is used where there is one.

    Args:
        sources, queries: as in `engine.data.sources`: files, archives, folders, databases.
        mapping: use this one instead of proposing one. anew: look at the files as if nothing had been kept.
        adapter: read them so, whatever their columns show.
        options: as an adapter's; those of KEPT hold for the files to come as well, with the mapping.

    Raises:
        EngineError: when a file cannot be read at all, or the name cannot be a dataset's.
    """
    allow(actor, "onboard")
    dataset_folder(name)
    if not sources:
        raise EngineError("No file was given. Name at least one.")
    start = Proposal(name, tuple(sources), "", "", now=now, observed_until=observed_until, queries=tuple(queries),
                     options={key: value for key, value in options.items() if key not in KEPT})
    known = mapping if mapping is not None else (None if anew else kept(name))
    with brought(start.sources, start.queries) as came:
        found = again(start, known, came.files, mapping is None) if known is not None else \
            _fresh(start, came.files, adapter)

        def looked_at(found: Proposal) -> Proposal:
            found = _as_said(found, {key: options[key] for key in KEPT if options.get(key)})
            told = tuple(Fault(finding) for finding in came.findings)
            return examined(replace(found, faults=(*told, *found.faults)), came.files)

        looked = looked_at(found)
        for mended in () if known is not None else BETTER:
            better = mended(looked, came.files)
            looked = looked if better is looked else looked_at(better)
        return looked


def _without_rows_of_leaving(looked: Proposal, paths: Sequence[Path]) -> Proposal:
    """The files looked at anew without what was written when a customer left, as the audit shows: rows of some words,
    or all of a file that is about leaving; the same proposal where nothing was."""
    known = {column for column, why in looked.examined.quarantined if proves(why) and column in looked.looks}
    before = besides.check(looked.mapping.get("files", ()))
    about = _about_leaving(looked, [beside for beside in before if besides.rows_of(beside) in known], paths)
    words = {column for column in known if _mostly_none(looked.looks[column])}
    told = [replace(beside, leaving=True) if beside.name in about else besides.without_afterwards(beside, words)
            for beside in before]
    if not any(beside.without or beside.leaving for beside in told):
        return looked
    return _anew_without(looked, paths, told)


def _without_rows_that_stop(looked: Proposal, paths: Sequence[Path]) -> Proposal:
    """The proposal without the rows of the time in which customers left, where these stop when one leaves; without all
    rows that have a time, where little would remain."""
    files = besides.check(looked.mapping.get("files", ()))
    if looked.kind != SNAPSHOT or looked.observed_until or not any(map(gathering.last_row, files)):
        return looked
    frame = joins.joined(paths, files)[0].frame
    left = who_left(looked.part("label"), frame)
    early = stopping.stop_early(files, frame, left)
    told = [replace(beside, stops=beside.name in early) for beside in files]
    found = stopping.day_before(told, frame, left)
    if found is None:
        return looked
    if stopping.remains(told, frame, joins.joined(paths, told, found[0])[0].frame):
        return replace(looked, mapping={**looked.mapping, "files": [besides.written(beside) for beside in told]})
    return _anew_without(looked, paths, [replace(beside, stops=True, leaving=True) if gathering.last_row(beside) else
                                         beside for beside in told])


def _with_other_money(looked: Proposal, _paths: Sequence[Path]) -> Proposal:
    """The proposal with the next best column as what customers pay, or none, where the audit keeps out the one that was
    taken."""
    kept_out, money = {name for name, _ in looked.examined.quarantined}, looked.part("money")
    if looked.adapter != "table" or not money.column or snake(money.column) not in kept_out:
        return looked
    why = (f"{money.column} speaks of what is paid, but the audit keeps it out; value is counted in months as a "
           "customer")
    other = next((part for part in looked.others.get("money", ())
                  if part.confidence >= ENOUGH and snake(part.column) not in kept_out), Part("money", "", 0.0, why))
    changed = {"money": other, "currency": monies.currency(looked.looks, other.column)}
    freed = Part("numeric", money.column, HALF, "numbers that the audit keeps out")
    lists = {use: [name for name in looked.mapping.get(use, ()) if name != other.column] for use in mappings.LISTS}
    guessed = {role: told for role, told in looked.mapping.get("guessed", {}).items() if role != "money"}
    return replace(
        looked, parts=tuple(changed.get(part.role, part) for part in looked.parts),
        columns=(*(part for part in looked.columns if part.column != other.column), freed),
        mapping={**looked.mapping, **lists, "numeric": [*lists["numeric"], money.column],
                 "money": proposing.paid(other), "value": "" if other.column else "months",
                 "currency": changed["currency"].value,
                 "guessed": {**guessed, **proposing.guessed(other)}})


BETTER = (_without_rows_of_leaving, _without_rows_that_stop, _with_other_money)


def _anew_without(looked: Proposal, paths: Sequence[Path], told: Sequence[besides.Beside]) -> Proposal:
    """The files looked at anew as these say, of which rows are left out."""
    raw, raws, said = joins.joined(paths, told)
    parts = [part for part in looked.parts if part.role in tables.ROLES]
    doubts = [fault for fault in looked.faults if fault.lasts and fault.finding.where not in looked.looks]
    found = [*(Fault(finding) for one in raws for finding in one.findings), *map(Fault, said), *doubts]
    return _drafted(looked, raw.frame, raw.name, told, parts, found)


def _about_leaving(looked: Proposal, files: Sequence[besides.Beside], paths: Sequence[Path]) -> set[str]:
    """The files, of those whose number of rows tells who left, of which leavers have more: they were written as they
    left, where fewer would only say that nothing was written any more."""
    if not files:
        return set()
    frame = joins.joined(paths, besides.check(looked.mapping["files"]))[0].frame
    left = who_left(looked.part("label"), frame).to_numpy()
    has = {beside.name: frame[besides.rows_of(beside)].fillna(0).to_numpy() > 0 for beside in files}
    return {name for name, some in has.items() if some[left].mean() > some[~left].mean()}


def _mostly_none(look: Look) -> bool:
    """Whether most customers have no such row."""
    return bool(look.values) and word(look.values[0][0]) in NO


def _as_said(proposal: Proposal, said: Mapping[str, Any]) -> Proposal:
    """The proposal with the currency and the window that a person named, which are kept with the mapping."""
    parts = proposal.parts
    if "currency" in said:
        rest = tuple(part for part in parts if part.role != "currency")
        parts = (*rest, Part("currency", "", 1.0, "a person said so", said["currency"]))
    return replace(proposal, parts=parts, mapping={**proposal.mapping, **said})


def _fresh(start: Proposal, paths: Sequence[Path], adapter: str | None) -> Proposal:
    """The files looked at for the first time."""
    kind = kinds.said(choose("adapter", adapter, ADAPTERS).name, paths) if adapter else kinds.kind_of(paths)
    if kind.adapter:
        return replace(start, kind=kind.part.value, adapter=kind.adapter, parts=(kind.part, *kind.parts),
                       mapping={"adapter": kind.adapter, **kind.options})
    whole = tables.together(paths, start.now)
    found = (*map(Fault, whole.findings), *(Fault(doubt, lasts=True) for doubt in whole.doubts))
    return _drafted(start, whole.frame, whole.name, whole.besides, whole.parts, found)


def _drafted(start: Proposal, frame: pd.DataFrame, name: str, files: Sequence[besides.Beside], parts: Sequence[Part],
             together: Sequence[Fault]) -> Proposal:
    """The proposal for a table of customers. parts, together: what putting it together of several files has told."""
    draft = proposing.of_table(frame, name, start.now)
    label = next(part for part in draft.parts if part.role == "label")
    mapping = {**draft.mapping, "files": [besides.written(beside) for beside in files]}
    found = (*together, *draft.faults)
    return replace(start, kind=SNAPSHOT if label.column else UNLABELLED, adapter="table",
                   parts=(*draft.parts, *parts), columns=draft.columns, faults=found, cures=_cures(found),
                   mapping=mapping, others=draft.others, looks=draft.looks,
                   portrait=_portrait(frame, draft.looks, draft.parts))


def _cures(found: Sequence[Fault]) -> tuple[Cure, ...]:
    return tuple(Cure(fault.finding.where, fault.finding.fix, fault.cure, on=fault.safe, safe=fault.safe)
                 for fault in found if fault.cure)


def _portrait(frame: Any, seen: Mapping[str, Any], parts: Sequence[Part]) -> dict[str, Any]:
    private = {part.column for part in parts if part.role in ("id", *proposing.CONTACT_ONLY)}
    return changes.portrait(frame, seen, sorted(private))


def again(start: Proposal, mapping: Mapping[str, Any], paths: Sequence[Path], refresh: bool) -> Proposal:
    """The files read as was agreed before, and what differs from the file that was read then."""
    adapter = str(mapping.get("adapter", "table"))
    start = replace(start, adapter=adapter, mapping=dict(mapping), refresh=refresh, kind=adapter)
    if adapter != "table":
        return start
    plan = mappings.check(mapping)
    before = kept_portrait(start.name) if refresh else {}
    raw, other_names = _fitting(start.name, plan, paths, before) if refresh else _joined(plan, paths, {})
    below = cures.totals(raw.frame)
    customers = raw.frame.iloc[:-below] if below else raw.frame
    ids = plan.id if plan.id in raw.frame else ""
    seen = beside_key(looks(customers), ids)
    found = (*other_names, *faults.of_columns(customers, seen, start.now, ids),
             *faults.of_rows(raw.frame, ids, seen, raw.name))
    label = next((part for part in _agreed(plan, seen) if part.role == "label" and part.column in raw.frame), None)
    if label is not None:
        best, others = leavers.label(seen, ids)
        found = (*rivals(label, [part for part in (best, *others) if part.column], customers, plan.ignored), *found)
    new = [fault for fault in found if not fault.cure or dict(fault.cure) not in list(map(dict, plan.cures))]
    mended = _with_new(plan, [fault for fault in new if fault.cure and (fault.safe or fault in other_names)])
    parts = (*(part for part in _agreed(plan, seen) if part.role not in MAY_LACK or part.column in raw.frame),
             *tables.under_each_other(joins.told_apart(paths, plan.files)[0]))
    portrait = _portrait(raw.frame, seen, parts)
    unanswered = plan.label in seen and seen[plan.label].kind == "empty"
    different = changes.compared(*({name: told for name, told in one.items() if not (unanswered and name == plan.label)}
                                   for one in (before, portrait))) if before else ()
    kind = SNAPSHOT if plan.label in raw.frame else UNLABELLED
    return replace(start, kind=kind, parts=parts, faults=tuple(new), cures=mended, portrait=portrait, changes=different,
                   looks=seen,
                   mapping={**_without(mapping, set(raw.frame.columns)), "cures": written(mended)})


def _with_new(plan: mappings.Plan, faults: Sequence[Fault]) -> tuple[Cure, ...]:
    """The cures that were agreed or declined before, and those of faults that this file is the first to have: words
    that are new join the words of an agreed cure."""
    fresh = {_kind(fault.cure): fault for fault in faults}
    before = [Cure(str(spec.get("column") or "All rows"), f"{cures.in_words(str(spec['cure']))}.",
                   _grown(spec, fresh.get(_kind(spec))), on=on)
              for specs, on in ((plan.cures, True), (plan.declined, False)) for spec in specs]
    known = {_kind(cure.spec) for cure in before}
    return (*before, *_cures([fault for kind, fault in fresh.items() if kind not in known]))


def _kind(cure: Mapping[str, Any]) -> tuple[str, str]:
    return str(cure.get("column", "")), str(cure["cure"])


def _grown(spec: Mapping[str, Any], fault: Fault | None) -> dict[str, Any]:
    """A cure with the words that this file adds; of two spellings of one word the one agreed before stays."""
    more = {} if fault is None else {
        name: list(dict.fromkeys([*fault.cure[name], *spec[name]])) for name in ("words", "values")
        if name in spec and name in fault.cure}
    return {**spec, **more}


def _fitting(name: str, plan: mappings.Plan, paths: Sequence[Path], before: Mapping[str, Any]
             ) -> tuple[Raw, tuple[Fault, ...]]:
    """The customers' table as was agreed before, and columns that come under other names; EngineError with the way out
    where the files do not fit any more."""
    try:
        joins.told_apart(paths, plan.files)
    except EngineError as problem:
        raise EngineError(f"{problem} {_anew(name)}") from problem
    raw, other_names = _joined(plan, paths, before)
    lacking = [column for column in (plan.id, plan.money) if column and column not in raw.frame]
    if lacking:
        raise EngineError(f"{raw.name} lacks {', '.join(map(repr, lacking))}, by which {name} was read before; it has: "
                          f"{', '.join(map(str, raw.frame))}.{renames.hints(other_names, lacking)} {_anew(name)}")
    return raw, other_names


def _joined(plan: mappings.Plan, paths: Sequence[Path], before: Mapping[str, Any]) -> tuple[Raw, tuple[Fault, ...]]:
    """The customers' table under the names that were agreed, and the columns that come under others."""
    raw = joins.joined(paths, plan.files, read=plan.read)[0]
    frame, _ = cures.renamed(raw.frame, plan.cures)
    other_names = renames.found(plan, before, frame)
    frame, _ = cures.renamed(frame, [fault.cure for fault in other_names if fault.safe])
    return replace(raw, frame=frame), other_names


def _anew(name: str) -> str:
    return (f"If the files of {name} have changed for good, have them looked at as if nothing had been kept: --anew, "
            "or the switch for it on the screen.")


def _agreed(plan: mappings.Plan, seen: Mapping[str, Look]) -> tuple[Part, ...]:
    """The parts of a mapping that somebody has agreed to, who left in the words of this file."""
    said = {"id": plan.id, "label": plan.label, "money": plan.money, "tenure": plan.tenure, "recency": plan.recency,
            **plan.contact}
    value = {"label": "filled" if plan.filled else "|".join(_in_own_words(plan, seen)),
             "money": "month" if plan.per == "month" else f"{plan.period_days:g}"}
    columns = (Part(role, column, *_sure(plan, role), value.get(role, "")) for role, column in said.items() if column)
    words = (("currency", plan.currency), ("sector", plan.sector))
    return (*columns, *(Part(role, "", 1.0, AGREED, word) for role, word in words if word))


def _in_own_words(plan: mappings.Plan, seen: Mapping[str, Look]) -> list[str]:
    """The label's values of who left as the file writes them, where a cure reads its words as Yes and No."""
    told = list(map(str, plan.positive))
    mended = any(cure["cure"] == "yes_no" and cure.get("column") == plan.label for cure in plan.cures)
    if not mended or plan.label not in seen or told not in (["Yes"], ["No"]):
        return told
    meant = YES if told == ["Yes"] else NO
    return list(dict.fromkeys(text.strip() for text, _ in seen[plan.label].values if word(text) in meant)) or told


def _sure(plan: mappings.Plan, role: str) -> tuple[float, str]:
    """How sure a part of a kept mapping is, and on what that rests."""
    why = plan.guessed.get(role)
    return (HALF, f"{UNASKED}: {why}") if why else (1.0, AGREED)


def _without(mapping: Mapping[str, Any], there: set[str]) -> dict[str, Any]:
    """The mapping without the columns that this file lacks, but for those that nothing can be read without."""
    lists = {use: [name for name in mapping.get(use, ()) if name in there] for use in mappings.LISTS}
    single = {role: mapping[role] for role in ("tenure", "recency") if mapping.get(role) in there}
    contact = {role: name for role, name in mapping.get("contact", {}).items() if name in there}
    rest = {key: value for key, value in mapping.items() if key not in {*lists, "tenure", "recency", "contact"}}
    return {**rest, **lists, **single, "contact": contact}
