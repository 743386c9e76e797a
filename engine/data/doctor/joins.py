"""Several files as one table of customers: files of one kind under each other, further files joined by their key.

A file with one row per customer brings its columns as they are. Of one with many rows (uses, tickets, payments) it is
counted what `gathering` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from engine.data.doctor import cures
from engine.data.doctor.besides import Beside
from engine.data.doctor.gathering import gathered, times
from engine.data.names import otherwise_written, snake
from engine.data.parsing import as_written, is_text
from engine.data.periods import moved
from engine.data.readers import Raw, column_names, read_raw
from engine.errors import EngineError
from engine.schema import Finding, plural

ALIKE, MEET = 0.5, 0.5
MOST_TOLD = 4


# ------------------------------------------------------------------------------------------------------ which is which

def told_apart(sources: Sequence[Path], besides: Sequence[Beside]) -> tuple[list[Path], dict[str, list[Path]]]:
    """The customers' files, and by name the files beside them, known by their columns, however these are written.

    Raises:
        EngineError: when a file that the mapping joins is not there.
    """
    names = {path: set(column_names(path)) for path in sources}
    found: dict[str, list[Path]] = {}
    for beside in besides:
        wanted = _known_by(beside)
        said = {path: as_known(has, wanted) for path, has in names.items()}
        fits = [path for path, has in said.items() if {beside.key} - {""} <= has and _alike(has, wanted) >= ALIKE
                and not any(path in taken for taken in found.values())]
        best = max((_alike(said[path], wanted) for path in fits), default=0.0)
        found[beside.name] = [path for path in fits if _alike(said[path], wanted) == best]
        if not fits and not beside.unused:
            raise EngineError(f"The mapping joins the file {beside.name!r} (columns {', '.join(beside.columns[:8])}), "
                              "but none of the files looks like it. Give it as a further file.")
    taken_by_others: set[Path] = {path for paths in found.values() for path in paths}
    return [path for path in sources if path not in taken_by_others], found


def _known_by(beside: Beside) -> set[str]:
    """The columns by which a file beside is known again."""
    return {*beside.columns, beside.key} - {""}


def known_again(names: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """By name the wanted column that it is, though it is written otherwise or its month has moved on.

    >>> known_again(["Member_ID", "fee_feb", "fee_mar"], ["member_id", "fee_jan", "fee_feb"])
    {'Member_ID': 'member_id', 'fee_feb': 'fee_jan', 'fee_mar': 'fee_feb'}
    """
    names, wanted = list(names), list(wanted)
    return otherwise_written(names, wanted) | moved(names, wanted)


def as_known(names: Iterable[str], wanted: Iterable[str]) -> set[str]:
    """The names, those that are only written otherwise than the wanted ones, or whose months moved on, as these are.

    >>> sorted(as_known(["Member_ID", "paid"], ["member_id", "kind"]))
    ['member_id', 'paid']
    """
    names = list(names)
    known = known_again(names, wanted)
    return {known.get(name, name) for name in names}


def _alike(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(len(one | other), 1)


def stacked(raws: Sequence[Raw]) -> Raw:
    """Files of one kind under each other, rows numbered through; a column that one lacks is blank there."""
    if len(raws) == 1:
        return raws[0]
    names = list(dict.fromkeys(str(name) for raw in raws for name in raw.frame.columns))
    columns = {name: _under_each_other([raw.frame.get(name, _blank(raw)) for raw in raws]) for name in names}
    frame = pd.DataFrame(columns)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    clashes = {name: texts for raw in raws for name, texts in raw.clashes.items()}
    rows = sum(raw.source.rows for raw in raws)
    return replace(raws[0], source=replace(raws[0].source, rows=rows), frame=frame, clashes=clashes,
                   rejected=pd.concat([raw.rejected for raw in raws], ignore_index=True))


def _blank(raw: Raw) -> pd.Series:
    return pd.Series([""] * len(raw.frame), index=raw.frame.index, dtype=object).astype("category")


def _under_each_other(parts: Sequence[pd.Series]) -> pd.Series:
    if not any(is_text(part) for part in parts):
        return pd.concat(parts, ignore_index=True)
    return pd.concat([as_written(part) for part in parts], ignore_index=True).astype("category")


# -------------------------------------------------------------------------------------------------------------- joining

def keys(values: pd.Series) -> pd.Series:
    """The column as keys to be compared: text without blanks around it, 7.0 as 7, missing where blank."""
    texts = as_written(values).astype(str).str.strip().str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    return texts.where(texts != "")


def paired(here: pd.Series, there: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Both columns as keys to be compared: in lower case and without zeros before them where they meet only so, and
    where no two keys that differ there would become one.

    >>> [keys.tolist() for keys in paired(pd.Series(["7.0", "12"]), pd.Series(["007", "012"]))]
    [['7', '12'], ['7', '12']]
    """
    one, other = keys(here), keys(there)
    bare_one, bare_other = (part.str.lower().str.replace(r"^0+(?=.)", "", regex=True) for part in (one, other))
    if met(one, other) >= MEET or met(bare_one, bare_other) < MEET or bare_other.nunique() < other.nunique():
        return one, other
    return bare_one, bare_other


def met(one: pd.Series, other: pd.Series) -> float:
    """The share of the known keys that are found among the others."""
    known = one.dropna()
    return float(known.isin(set(other.dropna())).mean()) if len(known) else 0.0


def joined(sources: Sequence[Path], besides: Sequence[Beside], until: datetime | None = None,
           read: Iterable[str] = ()) -> tuple[Raw, tuple[Raw, ...], list[Finding]]:
    """The customers' table with what the further files bring, all files as read, and what was found on the way.

    until: the moment of the data, where somebody tells it; what the files with many rows say of later is left out.
    read: what the mapping reads of the customers' own columns, which may come for later months.
    """
    main, found = told_apart(sources, besides)
    if not main:
        raise EngineError("None of the files is the customers' own. Give the file with one row per customer.")
    besides = [beside for beside in besides if not beside.unused]
    said: list[Finding] = []
    customers = [_of_later_months(_named_as_known(read_raw(path), {beside.to for beside in besides} - {""}, said),
                                  read, said) for path in main]
    others = {beside.name: [_of_later_months(_named_as_known(read_raw(path), _known_by(beside), said),
                                             _known_by(beside), said) for path in found[beside.name]]
              for beside in besides}
    raw = stacked(customers)
    if len(customers) > 1:
        said.append(Finding("note", raw.name, f"{plural(len(customers), 'file')} of one kind: "
                            f"{', '.join(part.name for part in customers)}.", "Taken as one.", len(raw.frame)))
    frames = {name: stacked(parts).frame for name, parts in others.items()}
    frame, said = attach(raw.frame, frames, besides, said, until)
    return replace(raw, frame=frame), (*customers, *(part for parts in others.values() for part in parts)), said


def _named_as_known(raw: Raw, wanted: Iterable[str], said: list[Finding]) -> Raw:
    """The file with its columns called as the mapping calls them, where they are only written otherwise."""
    known = otherwise_written(map(str, raw.frame.columns), sorted(wanted))
    said += [Finding("note", raw.name, f"The column {old} is written {new!r} in this file.", "Read as the same column.",
                     len(raw.frame)) for new, old in known.items()]
    return _renamed(raw, known)


def _of_later_months(raw: Raw, wanted: Iterable[str], said: list[Finding]) -> Raw:
    """The file with columns of later months called as those of the months that the mapping reads."""
    known = moved(map(str, raw.frame.columns), sorted(wanted))
    if known:
        told = ", ".join(f"{new} as {old}" for new, old in list(known.items())[:MOST_TOLD])
        more = f" and {len(known) - MOST_TOLD} more" if len(known) > MOST_TOLD else ""
        said.append(Finding("note", raw.name, f"The months have moved on: {told}{more} was read before.",
                            "Read so: what was learned of the last months is said of the last months now.",
                            len(raw.frame)))
    in_the_way = [old for old in known.values() if old in raw.frame and old not in known]
    return _renamed(replace(raw, frame=raw.frame.drop(columns=in_the_way)), known)


def _renamed(raw: Raw, names: Mapping[str, str]) -> Raw:
    return replace(raw, frame=raw.frame.rename(columns=names),
                   clashes={names.get(name, name): texts for name, texts in raw.clashes.items()})


def attach(frame: pd.DataFrame, others: Mapping[str, pd.DataFrame], besides: Sequence[Beside],
           said: Sequence[Finding] = (), until: datetime | None = None) -> tuple[pd.DataFrame, list[Finding]]:
    """The customers' table with a column for everything that the files beside it bring."""
    mended = {beside.name: cures.cured(others[beside.name], _harmless(beside, besides), beside.name)[0]
              for beside in besides}
    said, reached = list(said), dict[str, tuple[pd.Series, pd.Series]]()
    for beside in besides:
        part, left_out = _of_before(mended[beside.name], beside, until)
        said += left_out
        if beside.through:
            owner, mine = reached[beside.through]
            key, own = paired(part[beside.key], mended[beside.through].loc[owner.index, beside.own])
            led = pd.Series(owner.to_numpy(), index=own)
            key = key.map(led[~led.index.duplicated()])
        else:
            key, mine = paired(part[beside.key], frame[beside.to])
        reached[beside.name] = key, mine
        if beside.leaving:
            said.append(_of_leaving(part, beside))
            continue
        brought = gathered(part, key, beside, times(mended[beside.name], beside).nunique()) if beside.many else \
            _as_it_is(part, key, beside)
        said += _strangers(keys(part[beside.key]), key, mine, beside)
        frame = _beside_each_other(frame, brought.reindex(mine.to_numpy()), beside)
    return frame, said


def _of_before(part: pd.DataFrame, beside: Beside, until: datetime | None) -> tuple[pd.DataFrame, list[Finding]]:
    """The rows of a file with many but for those of the moment of the data or later, and those that were written
    because a customer had left."""
    found: list[Finding] = []
    if not beside.many:
        return part, found
    for column, words in beside.without.items():
        if column in part and (gone := as_written(part[column]).str.strip().isin(words)).any():
            part, count = part[~gone.to_numpy()], int(gone.sum())
            what = (f"{plural(count, 'row')} whose {column} is {' or '.join(map(repr, words))} "
                    f"{'was' if count == 1 else 'were'} written because a customer had left: (almost) only leavers "
                    "have such rows.")
            found.append(Finding("warning", beside.name, what, "Left out, so that nothing counted tells of them.",
                                 count))
    if until is not None and (late := times(part, beside) >= until).any():
        part, count = part[~late.to_numpy()], int(late.sum())
        what = f"{plural(count, 'row')} of {until:%Y-%m-%d} or later, the moment up to which the data are known."
        found.append(Finding("note", beside.name, what, "Left out.", count))
    return part, found


def _of_leaving(part: pd.DataFrame, beside: Beside) -> Finding:
    what = f"{plural(len(part), 'row')} written because a customer had left: others have such rows far less often."
    if beside.stops:
        what = (f"{plural(len(part), 'row')} that stop when a customer leaves, most of them of the time in which "
                "customers left: how many there are tells who did.")
    return Finding("warning", beside.name, what, "The file is left out, so that nothing counted tells of them.",
                   len(part))


def _harmless(beside: Beside, besides: Sequence[Beside]) -> list[Mapping[str, Any]]:
    """The file's cures, but for those of the columns by which it is joined and others are joined through it."""
    joining = {beside.key, *(other.own for other in besides if other.through == beside.name)}
    return [spec for spec in beside.cures if spec.get("column") not in joining]


def _strangers(written: pd.Series, key: pd.Series, mine: pd.Series, beside: Beside) -> list[Finding]:
    """Rows whose key is blank, and rows whose key leads to none of the customers."""
    blank, strange = written.isna(), ~key.isin(mine.dropna()) & written.notna()
    found = []
    if count := int(blank.sum()):
        what = f"{plural(count, 'row has', 'rows have')} no {beside.key}."
        found.append(Finding("note", beside.name, what, "They were left out.", count))
    if count := int(strange.sum()):
        way = f"leads through {beside.through} to no customer" if beside.through else \
            f"is not found in {beside.to} of the customers' table"
        what = f"In {plural(count, 'row')} {beside.key} {way}, such as {written[strange].iloc[0]!r}."
        found.append(Finding("warning" if 2 * count > len(written) else "note", beside.name, what,
                             "They were left out.", count))
    return found


def _beside_each_other(frame: pd.DataFrame, more: pd.DataFrame, beside: Beside) -> pd.DataFrame:
    more.index = frame.index
    names = {name: name if name not in frame else f"{snake(beside.name)}_{name}" for name in more.columns}
    return pd.concat([frame, more.rename(columns=names)], axis=1)


def _as_it_is(part: pd.DataFrame, key: pd.Series, beside: Beside) -> pd.DataFrame:
    """The file's columns, by customer; of a repeated key the last row."""
    kept = part.drop(columns=beside.key).set_axis(key.to_numpy(), axis=0)
    kept = kept[kept.index.notna()]
    return kept[~kept.index.duplicated(keep="last")]
