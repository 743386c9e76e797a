"""Which of several files is the customers' own, and how others are joined to it: by keys that their values share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from engine.data.doctor import faults, joins, leavers, recognise
from engine.data.doctor import vocabulary as words
from engine.data.doctor.besides import Beside
from engine.data.doctor.looks import Look, beside_key, looks
from engine.data.doctor.recognise import Part
from engine.data.names import snake
from engine.data.parsing import as_written
from engine.data.readers import Raw, column_names, read_raw
from engine.schema import Finding, plural

ROLES = ("stacked", "joined", "unused")  # of the parts that say how the files were put together
SAME_KIND = 0.8
LEAST_KEY = 1000
SHARED = 0.5
LOOKED_UP, FEWEST_LOOKED_UP = 0.9, 3
ROWS_OF_A_PLAN = 5  # at least, on average: fewer may be contracts of one customer
SMALL_PART = 0.05
MOST_WORDS, WORD_SHARE = 5, 0.02
MOST_SELDOM, FEWEST_OF_A_WORD = 3, 20
TIMES = "date|at|time|day|month|timestamp|datum|fecha|data|period"


@dataclass(frozen=True)
class Group:
    """Files of one kind as one table; its looks leave out rows that repeat another exactly."""

    paths: tuple[Path, ...]
    raw: Raw
    looks: Mapping[str, Look]

    @property
    def name(self) -> str:
        """What its columns are called by."""
        stem = re.sub(r"[\W_\d]+$", "", self.paths[0].stem)
        return snake(stem or self.paths[0].stem)


@dataclass(frozen=True)
class Together:
    """The customers' table with all that is joined, how, and what was found; each join as a part with its evidence.

    doubts: why the customers' table may be another one.
    """

    frame: pd.DataFrame
    name: str
    besides: tuple[Beside, ...]
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]
    raws: tuple[Raw, ...]
    doubts: tuple[Finding, ...] = ()


def together(sources: Sequence[Path], now: datetime) -> Together:
    """The sources as one table of customers."""
    groups = _groups(sources)
    main = groups[0] if len(groups) == 1 else _main(groups)
    others = [group for group in groups if group is not main]
    besides, parts = _besides(main, others, now)
    used = [beside for beside in besides if not beside.unused]
    frames = {group.name: group.raw.frame for group in others}
    frame, said = joins.attach(main.raw.frame, frames, used)
    parts = (*under_each_other(main.paths), *parts)
    raws = tuple(group.raw for group in groups)
    return Together(frame, main.raw.name, besides, parts, (*(f for raw in raws for f in raw.findings), *said), raws,
                    tuple(_doubts(main, others)))


def under_each_other(paths: Sequence[Path]) -> tuple[Part, ...]:
    """Several files taken as one, as a part with what one of them lacks."""
    if len(paths) < 2:
        return ()
    has = [set(column_names(path)) for path in paths]
    apart = sorted(set().union(*has) - has[0].intersection(*has))
    lacking = f" but for {', '.join(apart[:3])}{' and others' * (len(apart) > 3)}" if apart else ""
    return (Part("stacked", "", 0.95, f"they have the same columns{lacking} and are taken as one table",
                 ", ".join(path.name for path in paths)),)


def _groups(sources: Sequence[Path]) -> list[Group]:
    """Files of one kind put together, in the order given."""
    groups: list[list[tuple[Path, Raw]]] = []
    for path in sources:
        raw = read_raw(path)
        has = set(raw.frame.columns)
        alike = (group for group in groups if _same_kind(has, set(group[0][1].frame.columns)))
        home = next(alike, None)
        groups.append([(path, raw)]) if home is None else home.append((path, raw))
    made = []
    for group in groups:
        raw = joins.stacked([raw for _, raw in group])
        made.append(Group(tuple(path for path, _ in group), raw, looks(raw.frame.drop_duplicates())))
    return made


def _same_kind(one: set[str], other: set[str]) -> bool:
    """Whether two files have (almost) the same columns; one may lack the label."""
    apart = len(one ^ other)
    return len(one & other) >= SAME_KIND * len(one | other) or (apart <= 2 and len(one & other) >= 3 and
                                                               (one <= other or other <= one))


def _main(groups: Sequence[Group]) -> Group:
    """The customers' own table: one row per key, a label, and others that refer to it; not what customers look up."""
    own = [group for group in groups if not any(_is_for_many(group, other) for other in groups if other is not group)]
    return max(own or groups, key=lambda group: (
        _referred(group, groups), round(leavers.label(group.looks)[0].confidence, 1), len(group.looks)))


def _is_for_many(group: Group, other: Group) -> bool:
    """Whether many rows of the other table, which has a key of its own and is the customers', refer to one of this one:
    the other alone says who left, or what it refers to is not named as customers are."""
    if not any(_is_key(look) and look.unique for look in other.looks.values()):
        return False
    here, there = (leavers.label(one.looks)[0].confidence for one in (group, other))
    link = _link(other, group, _unique(group))
    if link is None or other.looks[link[0]].unique:
        return False
    if there >= recognise.SURE > here:
        return True
    few = len(group.raw.frame) < min(recognise.FEWEST_KEYS, SMALL_PART * len(other.raw.frame))
    theirs = _names_customers(other) and not here >= recognise.LIKELY > there
    return (few or theirs) and _is_looked_up(other.looks[link[0]], group.looks[link[1]])


def _is_looked_up(refers: Look, key: Look) -> bool:
    """Whether a key that many rows share names plans, places or kinds, and no customers."""
    named = any(re.fullmatch(words.PEOPLE, look.plain) or _is_customers_key(look) for look in (refers, key))
    return not named and refers.rows * (1 - refers.blank) >= ROWS_OF_A_PLAN * refers.distinct


def _names_customers(group: Group) -> bool:
    """Whether a table has a key of its own whose name is that of a customers' key."""
    return any(look.unique and _is_customers_key(look) for look in group.looks.values())


def _is_customers_key(look: Look) -> bool:
    return re.fullmatch(words.ID, look.plain) is not None and re.fullmatch(words.BARE_ID, look.plain) is None


def _doubts(main: Group, others: Sequence[Group]) -> Iterator[Finding]:
    """Whether a far larger table with a key of its own may be the customers', where what refers from it to the table
    that is taken for theirs is not named for customers."""
    larger = [other for other in others if len(main.raw.frame) <= SMALL_PART * len(other.raw.frame)]
    for other in sorted(larger, key=lambda one: -len(one.raw.frame))[:1]:
        own = next((look.name for look in other.looks.values() if look.unique and _is_key(look)), "")
        link = _link(other, main, _unique(main))
        if own and link is not None and _is_looked_up(other.looks[link[0]], main.looks[link[1]]):
            what = (f"{main.raw.name} is taken for the customers' table: it has {plural(len(main.raw.frame), 'row')}, "
                    f"and {other.raw.name} {len(other.raw.frame):,}, each with its own {own}, which are gathered by "
                    f"{link[0]}.")
            yield Finding("warning", main.raw.name, what, f"If {other.raw.name} holds the customers, bring it alone.",
                          len(main.raw.frame))


def _referred(group: Group, groups: Sequence[Group]) -> int:
    """How many other tables hold keys of this one, each of which stands here on one row; 0 where no key is its own."""
    own = [name for name, look in group.looks.items() if _is_key(look) and look.unique]
    if not own:
        return 0
    return 1 + sum(_link(other, group, own) is not None for other in groups if other is not group)


def _is_key(look: Look) -> bool:
    fits = look.kind in ("text", "category") or (look.kind == "number" and look.whole)
    return fits and (bool(re.fullmatch(words.ID, look.plain)) or look.plain.endswith(("_id", "_key", "_no", "_nr"))
                     or look.plain == "id" or (look.unique and recognise.is_key_by_name(look.plain))
                     or (look.kind == "text" and look.unique))


def _counts_rows(look: Look, file: str) -> bool:
    """Whether numbers that each stand once number the rows: by a name of rows, or of what the file has one row of, as
    `ticket` in tickets."""
    if not (look.unique and look.whole):
        return False
    thing = words.named(file).split("_")[-1].removesuffix("s")
    return re.fullmatch(words.ROW_COUNTER, look.plain) is not None or look.plain.removesuffix("s") == thing


def _link(group: Group, main: Group, own: Sequence[str]) -> tuple[str, str, float] | None:
    """The pair of columns (here, there) whose values agree best, and how many of the values here are found there."""
    best: tuple[str, str, float] | None = None
    for here, look in group.looks.items():
        for there in own:
            same = look.plain == main.looks[there].plain
            if not (same or _may_link(look, main.looks[there])):
                continue
            found = joins.met(*joins.paired(group.raw.frame[here], main.raw.frame[there]))
            if found >= SHARED and (best is None or found + 0.2 * same > best[2]):
                best = here, there, found + 0.2 * same
    return None if best is None else (best[0], best[1], min(best[2], 1.0))


def _may_link(here: Look, there: Look) -> bool:
    """Whether columns of other names may hold the same keys: texts, keys named alike, or numbers far from counts."""
    if here.kind in ("text", "category") and there.kind == "text":
        return True
    if not (here.kind == there.kind == "number" and here.whole):
        return False
    return (_is_key(here) and _named_alike(here, there)) or (there.low >= LEAST_KEY and here.low >= there.low and
                                                            here.high <= there.high)


def _named_alike(one: Look, other: Look) -> bool:
    """Whether two keys are named for the same thing: customer_id and cust_no, or one of them plainly id."""
    stems = [re.sub(r"_?(id|no|nr|num|number|key|code|ref)$", "", look.plain) for look in (one, other)]
    return "" in stems or stems[0][:4] == stems[1][:4] or all(re.fullmatch(words.STRONG_ID, stem) for stem in stems)


def _besides(main: Group, others: Sequence[Group], now: datetime) -> tuple[tuple[Beside, ...], tuple[Part, ...]]:
    """How each other table is joined: to the customers' own, or through one that is; what is left has nothing to do."""
    found: dict[str, tuple[Beside, Part]] = {}
    waiting, reached = list(others), {"": main}
    while waiting:
        step = next(((group, way, link) for group in waiting for way in reached
                     if (link := _link(group, reached[way], _unique(reached[way]))) is not None), None)
        if step is None:
            break
        group, way, (here, there, share) = step
        found[group.name] = _joined(group, way, here, there, share, now)
        reached[group.name] = group
        waiting.remove(group)
    known = [main, *(group for name, group in reached.items() if name and not found[name][0].many)]
    for group in list(waiting):
        looked_up = next((told for own in known if (told := _looked_up(group, own, main)) is not None), None)
        if looked_up is not None:
            found[group.name] = looked_up
            waiting.remove(group)
    for group in waiting:
        beside = Beside(group.name, unused=True, columns=tuple(group.looks))
        why = f"{group.paths[0].name} shares no key with the customers and is not used"
        found[group.name] = beside, Part("unused", "", 0.7, why, group.name)
    return tuple(beside for beside, _ in found.values()), tuple(part for _, part in found.values())


def _looked_up(group: Group, own: Group, main: Group) -> tuple[Beside, Part] | None:
    """A table of plans or places that is looked up by a word or key of the customers, each of its rows for many."""
    for here in _unique(group):
        key = group.looks[here]
        for there, look in own.looks.items():
            texts = {look.kind, key.kind} <= {"text", "category"}
            if look.unique or look.distinct < FEWEST_LOOKED_UP or not (texts or look.plain == key.plain):
                continue
            share = joins.met(*joins.paired(own.raw.frame[there], group.raw.frame[here]))
            if share >= LOOKED_UP:
                name = there if own is main or there not in main.looks else f"{own.name}_{there}"
                why = (f"{100 * share:.0f} % of the values of {there} are found in {here} of {group.paths[0].name}, "
                       "where each stands once")
                return Beside(group.name, here, to=name, columns=tuple(group.looks)), \
                    Part("joined", here, 0.8, why, group.name)
    return None


def _unique(group: Group) -> list[str]:
    return [name for name, look in group.looks.items() if look.unique and look.kind not in ("date", "flag")]


def _joined(group: Group, way: str, here: str, there: str, share: float, now: datetime) -> tuple[Beside, Part]:
    many = not group.looks[here].unique or bool(way)
    rows = "many rows" if many else "one row"
    through = f" through {way}" if way else ""
    why = (f"{100 * share:.0f} % of the values of {here} in {group.paths[0].name} are found in {there}{through}; "
           f"{rows} per customer")
    beside = Beside(group.name, here, to="" if way else there, through=way, own=there if way else "", many=many,
                    columns=tuple(group.looks))
    return _described(beside, group, now), Part("joined", here, min(0.5 + share / 2, 0.98), why, group.name)


def _described(beside: Beside, group: Group, now: datetime) -> Beside:
    """What the file's columns are gathered as, and what is mended in them first."""
    known = beside_key(group.looks, beside.key)
    seen = {name: look for name, look in known.items() if name != beside.key and not (
        _is_key(look) and look.distinct > 0.5 * look.rows)}
    mended = tuple(fault.cure for fault in faults.of_columns(group.raw.frame, known, now, beside.key)
                   if fault.cure and fault.safe)
    if not beside.many:
        return replace(beside, cures=())
    dates = [name for name, look in seen.items() if look.kind == "date"]
    time = next((name for name in dates if words.says(seen[name].plain, TIMES)), dates[0] if dates else "")
    numeric = tuple(name for name, look in seen.items() if look.numeric and not _is_key(look)
                    and not _counts_rows(look, group.name))
    frequent = {name: _words(group.raw.frame[[beside.key, name]], look) for name, look in seen.items()
                if look.kind == "category"}
    return replace(beside, time=time, numeric=numeric, dates=tuple(dates), words=frequent, cures=mended)


def _words(rows: pd.DataFrame, look: Look) -> tuple[str, ...]:
    """The words of a category whose shares are counted: those of most rows, and of the others a few that many customers
    have, first those that each has but once, as what is written down when something ends.

    rows: the key and the category.
    """
    often = [text for text, count in look.values[:MOST_WORDS] if count >= WORD_SHARE * look.rows]
    key, word = joins.keys(rows.iloc[:, 0]), as_written(rows.iloc[:, 1]).str.strip()
    having = pd.DataFrame({"key": key, "word": word}).dropna().drop_duplicates()["word"].value_counts()
    enough = max(FEWEST_OF_A_WORD, WORD_SHARE * key.nunique())
    once = {text: having.get(text, 0) / count for text, count in look.values
            if text not in often and having.get(text, 0) >= enough}
    return (*often, *sorted(once, key=lambda text: -once[text])[:MOST_SELDOM])
