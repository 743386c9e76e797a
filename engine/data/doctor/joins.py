"""Several files as one table of customers: files of one kind under each other, further files joined by their key.

A file with one row per customer brings its columns as they are. One with many rows (uses, tickets, payments) brings how
many there are, the mean and sum of its numbers and their change, the share of each frequent word, and its first and
last day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.data.dates import moments
from engine.data.doctor import cures
from engine.data.names import otherwise_written, snake, title
from engine.data.parsing import as_written, flags, is_text, numbers
from engine.data.readers import Raw, column_names, read_raw
from engine.errors import EngineError
from engine.schema import Finding, plural

ALIKE, MEET = 0.5, 0.5
TEXTS, LISTS = ("name", "key", "to", "through", "own", "time"), ("columns", "numeric", "dates")
BY_WORD = ("words", "without")
KEYS = {*TEXTS, *LISTS, *BY_WORD, "many", "unused", "cures"}


@dataclass(frozen=True)
class Beside:
    """A file beside the customers' file: what its columns are called by, and how its rows find their customer.

    key: its column that holds the value of the column `to` of the customers' file; or, where `through` names another
    file beside, that of the column `own` there. many: several rows per customer, gathered; `time` orders them.
    columns: by which it is known again. words: by column, the frequent words whose shares are counted. without: by
    column, words whose rows were written because a customer had left. unused: it has nothing to do with the customers.
    """

    name: str
    key: str = ""
    to: str = ""
    through: str = ""
    own: str = ""
    many: bool = False
    unused: bool = False
    time: str = ""
    columns: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cures: tuple[Mapping[str, Any], ...] = ()


def check(parts: object) -> tuple[Beside, ...]:
    """The files of a mapping's [[files]]; EngineError when one says what it must not, or lacks its key."""
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        raise EngineError(f"'files' in the mapping is {parts!r}. Write each as [[files]] with a name and a key.")
    for part in parts:
        needed = {"name", "columns"} if isinstance(part, Mapping) and part.get("unused") else {"name", "key"}
        if not isinstance(part, Mapping) or set(part) - KEYS or not needed <= set(part):
            raise EngineError(f"A [[files]] of the mapping needs name and key and may hold {', '.join(sorted(KEYS))}, "
                              f"but holds {part!r}.")
    return tuple(_beside(part) for part in parts)


def _beside(part: Mapping[str, Any]) -> Beside:
    texts = {name: str(part.get(name, "")) for name in TEXTS}
    lists = {name: tuple(map(str, part.get(name, ()))) for name in LISTS}
    by_word = {name: {str(column): tuple(map(str, values)) for column, values in dict(part.get(name, {})).items()}
               for name in BY_WORD}
    told: dict[str, Any] = {**texts, **lists, **by_word}
    return Beside(**told, many=bool(part.get("many", False)), unused=bool(part.get("unused", False)),
                  cures=cures.check(part.get("cures", ()))[0])


def without_afterwards(beside: Beside, known: Collection[str]) -> Beside:
    """The file without the rows of words whose shares are known only afterwards: they were written when a customer had
    left."""
    gone = {column: tuple(word for word in words if share_of(beside, column, word) in known)
            for column, words in beside.words.items()}
    kept = {column: tuple(word for word in words if word not in gone[column]) for column, words in beside.words.items()}
    return replace(beside, words=kept, without={column: words for column, words in gone.items() if words})


def share_of(beside: Beside, column: str, word: str) -> str:
    """The column that says which share of a customer's rows has the word."""
    return f"{snake(beside.name)}_{snake(column)}_{snake(word)}"


def written(beside: Beside) -> dict[str, Any]:
    """The file as a mapping writes it, what is empty left out."""
    told = {name: getattr(beside, name) for name in (*TEXTS, "many", "unused", *LISTS, *BY_WORD, "cures")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items() if value}


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


def as_known(names: Iterable[str], wanted: Iterable[str]) -> set[str]:
    """The names, those that are only written otherwise than the wanted ones as these are.

    >>> sorted(as_known(["Member_ID", "paid"], ["member_id", "kind"]))
    ['member_id', 'paid']
    """
    names = list(names)
    known = otherwise_written(names, wanted)
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


def joined(sources: Sequence[Path], besides: Sequence[Beside], until: datetime | None = None
           ) -> tuple[Raw, tuple[Raw, ...], list[Finding]]:
    """The customers' table with what the further files bring, all files as read, and what was found on the way.

    until: the moment of the data, where somebody tells it; what the files with many rows say of later is left out.
    """
    main, found = told_apart(sources, besides)
    if not main:
        raise EngineError("None of the files is the customers' own. Give the file with one row per customer.")
    besides = [beside for beside in besides if not beside.unused]
    said: list[Finding] = []
    customers = [_named_as_known(read_raw(path), {beside.to for beside in besides} - {""}, said) for path in main]
    others = {beside.name: [_named_as_known(read_raw(path), _known_by(beside), said) for path in found[beside.name]]
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
    return replace(raw, frame=raw.frame.rename(columns=known),
                   clashes={known.get(name, name): texts for name, texts in raw.clashes.items()})


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
        brought = _gathered(part, key, beside, _times(mended[beside.name], beside).nunique()) if beside.many else \
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
    if until is not None and (late := _times(part, beside) >= until).any():
        part, count = part[~late.to_numpy()], int(late.sum())
        what = f"{plural(count, 'row')} of {until:%Y-%m-%d} or later, the moment up to which the data are known."
        found.append(Finding("note", beside.name, what, "Left out.", count))
    return part, found


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


def _gathered(part: pd.DataFrame, key: pd.Series, beside: Beside, moments_of_all: int) -> pd.DataFrame:
    """One row per customer of a file with many. moments_of_all: how many moments all of its rows tell."""
    stem = snake(beside.name)
    known = key.notna().to_numpy()
    part, key = part[known], key[known]
    at = _times(part, beside)
    if at.notna().any():
        order = np.argsort(at.to_numpy(), kind="stable")  # rows without a time come last
        part, key, at = part.iloc[order], key.iloc[order], at.iloc[order]
    group = key.to_numpy()
    made: dict[str, pd.Series] = {f"{stem}_rows": pd.Series(1.0, index=part.index).groupby(group).sum()}
    if moments_of_all > 1:
        made[f"{stem}_recent"] = _lately(at).groupby(group).mean()
    for name in beside.numeric:
        if name in part:
            made |= _of_numbers(f"{stem}_{snake(name)}", _as_numbers(part[name]), group)
    for name, words in beside.words.items():
        if name in part:
            said = as_written(part[name]).str.strip()
            made |= {share_of(beside, name, word): (said == word).astype(float).groupby(group).mean() for word in words}
    for name in beside.dates:
        if name in part:
            made |= _of_dates(f"{stem}_{snake(name)}", moments(part[name], name).values, group)
    return pd.DataFrame(made)


def _times(part: pd.DataFrame, beside: Beside) -> pd.Series:
    """When each row was, where the file says it."""
    if beside.time not in part:
        return pd.Series(pd.NaT, index=part.index)
    written = part[beside.time]
    if is_text(written):
        written = written.map(lambda cell: cures.plain_date(str(cell).strip())).astype(object)
    return moments(written, beside.time).values


def _lately(at: pd.Series) -> pd.Series:
    """1 for a row in the last third of the time that the file covers, 0 before, missing where no time is known: its
    mean over a customer's rows says whether they come more often of late.

    >>> _lately(pd.Series(pd.to_datetime(["2024-01-01", "2024-01-20", "2024-01-31", None]))).tolist()
    [0.0, 0.0, 1.0, nan]
    """
    since = at.max() - (at.max() - at.min()) / 3
    return (at > since).astype(float).where(at.notna())


def _as_numbers(values: pd.Series) -> pd.Series:
    read = numbers(values, "")
    return (flags(values, "") if read.values.isna().all() else read).values.astype(float)


def _of_numbers(stem: str, values: pd.Series, group: np.ndarray) -> dict[str, pd.Series]:
    """Mean and sum; change: the mean of a customer's later half of rows less the earlier's."""
    by = values.groupby(group)
    place = pd.Series(1.0, index=values.index).groupby(group).cumsum().to_numpy()
    later = place > by.transform("size").to_numpy() / 2
    halves = [values[mask].groupby(group[mask]).mean() for mask in (later, ~later)]
    return {f"{stem}_mean": by.mean(), f"{stem}_sum": by.sum(min_count=1), f"{stem}_change": halves[0].sub(halves[1])}


def titles(besides: Iterable[Beside]) -> dict[str, str]:
    """What is gathered of files with many rows, as a person reads it, by column.

    >>> titles([Beside("pay_ments", many=True, time="paid_on", numeric=("fee",), words={"kind": ("card",)})])
    {'pay_ments_rows': 'Count of pay ments', 'pay_ments_recent': 'Recent share of pay ments', \
'pay_ments_fee_mean': 'Mean fee of pay ments', 'pay_ments_fee_sum': 'Total fee of pay ments', \
'pay_ments_fee_change': 'Change in fee of pay ments', 'pay_ments_kind_card': 'Share of pay ments with kind card'}
    """
    return {name: said for beside in besides if beside.many for name, said in _titles(beside)}


def _titles(beside: Beside) -> Iterator[tuple[str, str]]:
    stem, what = snake(beside.name), _in_a_sentence(beside.name)
    yield f"{stem}_rows", f"Count of {what}"
    yield f"{stem}_recent", f"Recent share of {what}"
    for name in beside.numeric:
        for end, said in (("mean", "Mean"), ("sum", "Total"), ("change", "Change in")):
            yield f"{stem}_{snake(name)}_{end}", f"{said} {_in_a_sentence(name)} of {what}"
    for name, words in beside.words.items():
        for word in words:
            yield share_of(beside, name, word), f"Share of {what} with {_in_a_sentence(name)} {word}"
    for name in beside.dates:
        for end in ("first", "last"):
            yield f"{stem}_{snake(name)}_{end}", f"{title(beside.name)}: {end} {_in_a_sentence(name)}"


def _in_a_sentence(name: str) -> str:
    """A name as it stands within a sentence: its capital goes, but for those of abbreviations."""
    said = title(name)
    return said if said[1:2].isupper() else said[:1].lower() + said[1:]


def last_days(besides: Iterable[Beside]) -> tuple[str, ...]:
    """The columns that say until when a customer has rows in a file with many."""
    return tuple(f"{snake(beside.name)}_{snake(name)}_last" for beside in besides if beside.many
                 for name in beside.dates)


def last_row(beside: Beside) -> str:
    """The column that says when a customer's last row of a file with many was; "" where the file tells no times."""
    return f"{snake(beside.name)}_{snake(beside.time)}_last" if beside.many and beside.time in beside.dates else ""


def _of_dates(stem: str, values: pd.Series, group: np.ndarray) -> dict[str, pd.Series]:
    by = values.groupby(group)
    return {f"{stem}_first": by.min(), f"{stem}_last": by.max()}
