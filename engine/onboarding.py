"""Onboarding: from files that nobody here has seen to a dataset that is learned from, with a person's agreement.

    propose(sources)      -> Proposal      recognised, mapped, examined; nothing is kept
    amended(proposal)     -> Proposal      the same with what a person decided otherwise
    accept(proposal)      -> report        kept with the dataset, and run through the same pipeline as `run`

What is accepted is a small TOML beside the dataset (`mapping.toml`): next month's file of the same dataset is read and
mended in the same way without a question, and what differs from the file before is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engine import files, listings, pipeline, state
from engine.catalog import dataset_folder
from engine.data import adapters
from engine.data.adapters import mapping as mappings
from engine.data.doctor import changes, faults, joins, tables
from engine.data.doctor import propose as proposing
from engine.data.doctor.changes import Change
from engine.data.doctor.faults import Fault
from engine.data.doctor.looks import looks
from engine.data.doctor.recognise import Part
from engine.data.labels import labels, snapshot, windows_for
from engine.data.leakage import audit
from engine.data.sources import brought
from engine.errors import DataError, EngineError
from engine.permissions import allow
from engine.prediction.settings import Settings
from engine.progress import Told
from engine.schema import Actor, Dataset, Finding
from engine.uploads import uploads_home

MAPPING, PORTRAIT = "mapping.toml", "portrait.json"
SNAPSHOT, UNLABELLED = "snapshot", "snapshot without a label"
NOTHING: Mapping[str, Any] = {}
UNCHANGED: Mapping[int, bool] = {}


@dataclass(frozen=True)
class Cure:
    """What mends a fault: `spec` is its line in the mapping. on: it is carried out; safe: it was not asked about."""

    where: str
    what: str
    spec: Mapping[str, Any]
    on: bool = True
    safe: bool = True


@dataclass(frozen=True)
class Examined:
    """What reading the files with the mapping gives: findings with rows, customers, who left, what is quarantined.

    left: share who left [share 0..1], None where nobody says. quarantined: (column, reason), never used.
    """

    findings: tuple[Finding, ...] = ()
    customers: int = 0
    rejected: int = 0
    left: float | None = None
    quarantined: tuple[tuple[str, str], ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Proposal:
    """What the doctor makes of the files. Nothing is kept until it is accepted.

    kind: "snapshot", "snapshot without a label", or what the adapter reads. parts: id, label, money, tenure and so on,
    each with confidence and evidence; columns: what every other column is used as. faults: with rows, an example and
    the cure. mapping: the same as it is kept. refresh: the kept mapping of an earlier file was used; changes: what
    differs from that file. others: by part, the next best columns.
    """

    name: str
    sources: tuple[str | Path, ...]
    kind: str
    adapter: str
    parts: tuple[Part, ...] = ()
    columns: tuple[Part, ...] = ()
    faults: tuple[Fault, ...] = ()
    cures: tuple[Cure, ...] = ()
    mapping: Mapping[str, Any] = field(default_factory=dict)
    examined: Examined = field(default_factory=Examined)
    refresh: bool = False
    changes: tuple[Change, ...] = ()
    others: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    portrait: Mapping[str, Any] = field(default_factory=dict)
    now: datetime = datetime(1970, 1, 1)
    observed_until: datetime | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    queries: tuple[str, ...] = ()

    @property
    def trainable(self) -> bool:
        """Whether a model can be learned: somebody says who left, and no error stops it."""
        return self.examined.left is not None and not self.examined.stopped

    @property
    def toml(self) -> str:
        """The mapping as it is kept."""
        return mappings.written(self.mapping)

    def part(self, role: str) -> Part:
        """The part of that role; one without a column where there is none."""
        return next((part for part in self.parts if part.role == role), Part(role))


# ----------------------------------------------------------------------------------------------------------- proposing

def propose(sources: Sequence[str | Path], *, name: str, actor: Actor, now: datetime,
            observed_until: datetime | None = None, mapping: Mapping[str, Any] | None = None, anew: bool = False,
            options: Mapping[str, Any] = NOTHING, queries: Sequence[str] = ()) -> Proposal:
    """What the files are and how they would be read; the dataset's kept mapping is used where there is one.

    Args:
        sources, queries: as in `engine.data.sources`: files, archives, folders, databases.
        mapping: use this one instead of proposing one. anew: look at the files as if nothing had been kept.

    Raises:
        EngineError: when a file cannot be read at all, or the name cannot be a dataset's.
    """
    allow(actor, "onboard")
    dataset_folder(name)
    if not sources:
        raise EngineError("No file was given. Name at least one.")
    start = Proposal(name, tuple(sources), "", "", now=now, observed_until=observed_until, options=dict(options),
                     queries=tuple(queries))
    known = mapping if mapping is not None else (None if anew else kept(name))
    with brought(start.sources, start.queries) as came:
        found = _fresh(start, came.files) if known is None else _again(start, known, came.files, mapping is None)
        told = tuple(Fault(finding) for finding in came.findings)
        return _examined(replace(found, faults=(*told, *found.faults)), came.files)


def _fresh(start: Proposal, paths: Sequence[Path]) -> Proposal:
    """The files looked at for the first time."""
    adapter = _recognised(paths)
    if adapter is not None:
        why = f"its columns are those of {adapter.describes}"
        kind = Part("kind", "", 0.95, why, adapter.name)
        return replace(start, kind=adapter.name, adapter=adapter.name, parts=(kind,), mapping={"adapter": adapter.name})
    whole = tables.together(paths, start.now)
    draft = proposing.of_table(whole.frame, whole.name, start.now)
    label = next(part for part in draft.parts if part.role == "label")
    mapping = {**draft.mapping, "files": [joins.written(beside) for beside in whole.besides]}
    found = (*(Fault(finding) for finding in whole.findings), *draft.faults)
    return replace(start, kind=SNAPSHOT if label.column else UNLABELLED, adapter="table",
                   parts=(*draft.parts, *whole.parts), columns=draft.columns, faults=found, cures=_cures(found),
                   mapping=mapping, others=draft.others, portrait=_portrait(whole.frame, draft.looks, draft.parts))


def _recognised(sources: Sequence[Path]) -> adapters.Adapter | None:
    """The adapter whose columns the files have; none where they merely resemble one."""
    try:
        return adapters.guess(sources)
    except EngineError:
        return None


def _cures(found: Sequence[Fault]) -> tuple[Cure, ...]:
    return tuple(Cure(fault.finding.where, fault.finding.fix, fault.cure, on=fault.safe, safe=fault.safe)
                 for fault in found if fault.cure)


def _portrait(frame: Any, seen: Mapping[str, Any], parts: Sequence[Part]) -> dict[str, Any]:
    private = {part.column for part in parts if part.role in ("id", *proposing.CONTACT_ONLY)}
    return changes.portrait(frame, seen, sorted(private))


def _again(start: Proposal, mapping: Mapping[str, Any], paths: Sequence[Path], refresh: bool) -> Proposal:
    """The files read as was agreed before, and what differs from the file that was read then."""
    adapter = str(mapping.get("adapter", "table"))
    start = replace(start, adapter=adapter, mapping=dict(mapping), refresh=refresh, kind=adapter)
    if adapter != "table":
        return start
    plan = mappings.check(mapping)
    raw, _, _ = joins.joined(paths, plan.files)
    seen = looks(raw.frame)
    found = faults.of_columns(raw.frame, seen, start.now)
    new = [fault for fault in found if not fault.cure or dict(fault.cure) not in list(map(dict, plan.cures))]
    agreed = tuple(Cure(str(spec.get("column", "")), str(spec["cure"]), spec) for spec in plan.cures)
    parts = _agreed(plan)
    portrait = _portrait(raw.frame, seen, parts)
    different = changes.compared(before, portrait) if refresh and (before := kept_portrait(start.name)) else ()
    kind = SNAPSHOT if plan.label in raw.frame else UNLABELLED
    return replace(start, kind=kind, parts=parts, faults=tuple(new), cures=agreed, portrait=portrait,
                   changes=different, mapping=_without(mapping, set(raw.frame.columns)))


def _agreed(plan: mappings.Plan) -> tuple[Part, ...]:
    """The parts of a mapping that somebody has agreed to."""
    said = {"id": plan.id, "label": plan.label, "money": plan.money, "tenure": plan.tenure, "recency": plan.recency,
            **plan.contact}
    value = {"label": "filled" if plan.filled else "|".join(map(str, plan.positive)),
             "money": "month" if plan.per == "month" else f"{plan.period_days:g}"}
    return tuple(Part(role, column, 1.0, "as agreed before", value.get(role, ""))
                 for role, column in said.items() if column)


def _without(mapping: Mapping[str, Any], there: set[str]) -> dict[str, Any]:
    """The mapping without the columns that this file lacks, but for those that nothing can be read without."""
    lists = {use: [name for name in mapping.get(use, ()) if name in there] for use in mappings.LISTS}
    single = {role: mapping[role] for role in ("tenure", "recency") if mapping.get(role) in there}
    contact = {role: name for role, name in mapping.get("contact", {}).items() if name in there}
    rest = {key: value for key, value in mapping.items() if key not in {*lists, "tenure", "recency", "contact"}}
    return {**rest, **lists, **single, "contact": contact}


# ----------------------------------------------------------------------------------------------------------- examining

def _examined(proposal: Proposal, paths: Sequence[Path]) -> Proposal:
    """The proposal with what reading the files by its mapping finds, the audit for leakage included."""
    with files.staging(uploads_home()) as aside:
        try:
            reading = adapters.read(paths, aside, proposal.adapter, name=proposal.name, now=proposal.now,
                                    observed_until=proposal.observed_until, options=run_options(proposal))
        except DataError as problem:
            return replace(proposal, examined=Examined(problem.findings, stopped=True))
        dataset, found = reading.dataset, (*reading.findings, *pipeline.checked(reading.dataset))
        stopped = any(finding.severity == "error" for finding in found)
        left: float | None = None
        quarantined: tuple[tuple[str, str], ...] = ()
        if dataset.label.kind != "none" and not stopped:
            left, quarantined, more = _audited(dataset)
            found = (*found, *more)
        return replace(proposal, examined=Examined(_worst_first(found), listings.rows(dataset), len(reading.rejected),
                                                   left, quarantined, stopped))


def _audited(dataset: Dataset) -> tuple[float, tuple[tuple[str, str], ...], tuple[Finding, ...]]:
    """The share who left, and of a table what the audit for leakage keeps out."""
    windows = windows_for(dataset, n=1)
    if dataset.kind != "snapshot":
        return float(labels(dataset, windows).mean()), (), ()
    try:
        told = audit(snapshot(dataset, windows), dataset)
    except DataError as problem:
        return float(labels(dataset, windows).mean()), (), problem.findings
    return float(labels(dataset, windows).mean()), told.quarantined, told.findings


def _worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    from engine.schema import SEVERITIES

    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: -SEVERITIES.index(finding.severity)))


def run_options(proposal: Proposal) -> dict[str, Any]:
    """What `run` is told of the proposal besides the files."""
    if proposal.adapter == "table":
        return {**proposal.options, "mapping": dict(proposal.mapping)}
    return {**{key: value for key, value in proposal.mapping.items() if key != "adapter"}, **proposal.options}


# ------------------------------------------------------------------------------------------------------------ amending

def amended(proposal: Proposal, *, parts: Mapping[str, str] = NOTHING, uses: Mapping[str, str] = NOTHING,
            cures: Mapping[int, bool] = UNCHANGED, horizon_days: int | None = None, mapping: str = "") -> Proposal:
    """The proposal as a person wants it, read and examined anew.

    Args:
        parts: by role ("id", "label", "positive", "money", "per", "tenure", "recency", "currency", "sector", or a
            contact column) the column or value; "" for none. "positive" may hold several values parted by "|", or
            "filled"; "per" is "month" or a number of days.
        uses: by column, "categorical", "numeric", "flags", "dates" or "ignored".
        cures: by place in `proposal.cures`, whether it is carried out.
        mapping: a whole mapping as TOML instead of all these.

    Raises:
        EngineError: when what is said is no mapping, or names what is not there.
    """
    if mapping:
        return _rewritten(proposal, mappings.parsed(mapping, "as written"))
    changed = _with_parts(proposal, parts)
    changed = _with_uses(changed, uses)
    switched = tuple(replace(cure, on=cures.get(place, cure.on)) for place, cure in enumerate(changed.cures))
    scaled = [spec for spec in changed.mapping.get("cures", ()) if spec.get("cure") == "times"]
    chosen = [dict(cure.spec) for cure in switched if cure.on and cure.spec not in scaled]
    window = {} if horizon_days is None else {"horizon_days": horizon_days}
    final = {**changed.mapping, **window, **({"cures": [*chosen, *scaled]} if proposal.adapter == "table" else {})}
    with brought(proposal.sources, proposal.queries) as came:
        return _examined(replace(changed, cures=switched, mapping=final), came.files)


def _rewritten(proposal: Proposal, mapping: Mapping[str, Any]) -> Proposal:
    """The proposal with a whole mapping that a person wrote."""
    mappings.check(mapping)
    with brought(proposal.sources, proposal.queries) as came:
        again = _again(proposal, mapping, came.files, refresh=False)
        return _examined(replace(again, refresh=proposal.refresh, changes=proposal.changes), came.files)


def _with_parts(proposal: Proposal, said: Mapping[str, str]) -> Proposal:
    if not said:
        return proposal
    mapping, parts = dict(proposal.mapping), {part.role: part for part in proposal.parts}
    for role, value in said.items():
        if role in ("sector", "currency"):
            mapping[role] = value
            parts[role] = Part(role, "", 1.0, "a person said so", value)
        elif role not in ("positive", "per"):
            before = parts.get(role, Part(role))
            parts[role] = replace(before, column=value, confidence=1.0, evidence="a person said so")
    for role, more in (("label", "positive"), ("money", "per")):
        if more in said:
            parts[role] = replace(parts.get(role, Part(role)), value=said[more], confidence=1.0)
    mapping |= _as_mapping(parts, mapping)
    used = {part.column for part in parts.values() if part.column and not part.role.startswith("consent")}
    freed = [part.column for part in proposal.parts if part.column and part.column not in used]
    for use in mappings.LISTS:
        mapping[use] = [name for name in mapping.get(use, ()) if name not in used]
    mapping["ignored"] = [*mapping.get("ignored", ()), *freed]
    return replace(proposal, parts=tuple(parts.values()), mapping=mapping)


def _as_mapping(parts: Mapping[str, Part], before: Mapping[str, Any]) -> dict[str, Any]:
    empty = Part("")
    ids, label, money = (parts.get(role, empty) for role in ("id", "label", "money"))
    made: dict[str, Any] = {"label": proposing.labelled(label, before.get("cures", ())), "money": proposing.paid(money),
                            "id": ids.column, "rows": "" if ids.column else "numbered",
                            "value": "" if money.column else "months"}
    made |= {role: parts.get(role, empty).column for role in ("tenure", "recency")}
    contact = {role: part.column for role, part in parts.items() if role in mappings.CONTACT_KEYS and part.column}
    return {**made, "contact": contact}


def _with_uses(proposal: Proposal, uses: Mapping[str, str]) -> Proposal:
    if not uses:
        return proposal
    mapping = dict(proposal.mapping)
    for column, use in uses.items():
        if use not in mappings.LISTS:
            raise EngineError(f"A column is used as one of {', '.join(mappings.LISTS)}, not as {use!r}.")
        for other in mappings.LISTS:
            mapping[other] = [name for name in mapping.get(other, ()) if name != column]
        mapping[use].append(column)
    columns = tuple(replace(part, role=uses[part.column], confidence=1.0, evidence="a person said so")
                    if part.column in uses else part for part in proposal.columns)
    return replace(proposal, mapping=mapping, columns=columns)


# ----------------------------------------------------------------------------------------------------------- accepting

def accept(proposal: Proposal, *, actor: Actor, now: datetime, settings: Settings | None = None,
           progress: Told | None = None) -> dict[str, Any]:
    """Run the files through the pipeline by the proposal's mapping, and keep the mapping with the dataset.

    Returns what `run` returns; where nobody says who left, what `onboard` made of the files, for a model to score.

    Raises:
        DataError: when an error stops it; nothing is kept then.
    """
    allow(actor, "run")
    errors = [finding for finding in proposal.examined.findings if finding.severity == "error"]
    if errors:
        raise DataError(errors)
    told: dict[str, Any] = {"name": proposal.name, "adapter": proposal.adapter, "options": run_options(proposal),
                            "observed_until": proposal.observed_until, "queries": proposal.queries, "actor": actor,
                            "now": now}
    if proposal.trainable:
        report = pipeline.run(proposal.sources, settings=settings or Settings(), progress=progress, **told)
    else:
        dataset, found = pipeline.onboard(proposal.sources, **told)
        report = {"dataset": dataset.name, "version": dataset.version, "customers": listings.rows(dataset),
                  "trained": False, "why": "The files do not say who left: they can be scored, not learned from.",
                  "findings": list(found)}
    keep(proposal, actor=actor, now=now)
    return report


def keep(proposal: Proposal, *, actor: Actor, now: datetime) -> Path:
    """Keep the mapping, and the portrait of the file that the next is compared with, beside the dataset."""
    allow(actor, "onboard")
    folder = dataset_folder(proposal.name)
    files.write_text(folder / MAPPING, proposal.toml + "\n")
    files.write_record(folder / PORTRAIT, dict(proposal.portrait))
    state.record(actor, "onboard", proposal.name, now, {"mapping": True, "refresh": proposal.refresh})
    return folder / MAPPING


def kept(name: str) -> dict[str, Any] | None:
    """The mapping that is kept with the dataset; None without one."""
    path = dataset_folder(name) / MAPPING
    return mappings.load(path) if path.is_file() else None


def kept_portrait(name: str) -> dict[str, Any]:
    """What is kept of the file that was read last; empty without one."""
    path = dataset_folder(name) / PORTRAIT
    if not path.is_file():
        return {}
    found: dict[str, Any] = files.read_record(path, dict[str, Any])
    return found
