"""Any table with one row per customer, through a small TOML mapping (engine/data/adapters/mapping.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from engine.data.adapters.assemble import Ask, Role, extra_role, finish, observed_until, take_all, with_extras
from engine.data.adapters.common import SOME, Field, Taken, by_onboarding, horizon, one_row_each, unsaid_window
from engine.data.adapters.mapping import Plan, check, load
from engine.data.adapters.telco import CHURNED
from engine.data.dates import moments
from engine.data.doctor import consents, cures, gathering, joins, stopping
from engine.data.doctor.vocabulary import named, says
from engine.data.leakage import ONLY_DESCRIBE
from engine.data.names import snake, title
from engine.data.parsing import FALSE, TRUE, as_written
from engine.data.periods import moved
from engine.data.readers import Raw, column_names
from engine.errors import EngineError
from engine.schema import CONTACT, CUSTOMER_ID, MONTHS, Column, Finding, LabelRule, MoneyRule, Reading
from engine.schema.columns import AS_IN_FILE

HORIZON_DAYS = 91
TENURE = Column("tenure_months", "number", "months", "Months since the customer joined", 0, label="Tenure")
RECENCY = Column("recency_days", "number", "days", "Days since the customer was last active", 0, label="Recency")
ROW = "row of the file"
MOST_ANSWERS = 5
LAST = r"last|latest|recent|letzte\w*|ultim[ao]|derni\w+|laatste"
GUESSED = {"label": "the answer who left", "money": "what a customer pays"}


def read(ask: Ask, sources: Sequence[Path]) -> Reading:
    """The customers as the mapping says; columns it does not mention are taken by type, with a finding."""
    mapping = load(ask.options.get("mapping"))
    plan = check(mapping)
    ask = replace(ask, options={**ask.options, "mapping": mapping})
    parts = _parts(sources, plan)
    raw, raws, said = prepared(parts["customers"], plan, observed_until(ask, None))
    plan, unlike = _of_one_moment(plan, raw)
    ask, dated = _as_drawn(ask, plan, raw)
    names = [str(name) for name in raw.frame.columns]
    _refuse_unknown(plan, raw, names)
    fields, found = _fields(plan, names, _as_it_came(parts["customers"], plan))
    raw, spoken, unread = consents.agreed(raw, plan.consents)
    rows = take_all(raw, fields, ask.options, found, (*plan.ignored, *spoken))
    taken = _answered(one_row_each(rows, raw, by_onboarding(raw.name, ask.name)), plan)
    gathered = with_extras(ask, parts, raws, taken, features=fields)
    label, about = _label(plan, ask, names)
    money, worth = _money(plan, found)
    findings = (*gathered.findings, *said, *dated, *unread, *about, *unlike, *worth, *_guesses(plan))
    return finish(ask, replace(gathered, findings=findings), label, money,
                  currency=plan.currency or ("" if plan.money else MONTHS), sector=plan.sector)


def prepared(sources: Sequence[Path], plan: Plan, until: datetime | None = None
             ) -> tuple[Raw, tuple[Raw, ...], list[Finding]]:
    """The customers' table, joined and mended as the mapping says; all files as read; what was found on the way.

    until: the moment of the data, where somebody tells it. Where nobody does and joined rows stop when customers leave,
    it is the day before which they do not.
    """
    every = _mended(sources, plan, until)
    frame = every[0].frame
    stop = None if until or plan.label not in frame else \
        stopping.day_before(plan.files, frame, _who_left(plan, frame[plan.label]))
    if stop is None:
        return every
    raw, raws, said = _mended(sources, plan, stop[0])
    said.append(stopping.told(*stop, plan.files, frame, raw.frame))
    new = stopping.newcomers(stop[1], plan.files, frame, raw.frame)
    if new.any() and not plan.filled:
        raw = replace(raw, frame=raw.frame.assign(**{plan.label: raw.frame[plan.label].mask(new)}))
        said.append(stopping.not_learned_from(*stop, int(new.sum())))
    return raw, raws, said


def _mended(sources: Sequence[Path], plan: Plan, until: datetime | None
            ) -> tuple[Raw, tuple[Raw, ...], list[Finding]]:
    raw, raws, said = joins.joined(sources, plan.files, until, plan.read)
    frame, mended = cures.cured(raw.frame, plan.cures, raw.name, plan.id)
    if not plan.id:
        frame = frame.assign(**{ROW: ("row-" + frame.index.astype(str)).astype("category")})
        said.append(Finding("warning", raw.name, "No column names the customers; the rows are numbered.",
                            "Nobody can be followed from this file to the next; give each customer an id."))
    return replace(raw, frame=frame), raws, [*said, *mended]


def _parts(sources: Sequence[Path], plan: Plan) -> dict[Role, list[Path]]:
    """Events and past offers apart from the files that the mapping speaks of."""
    if not sources:
        raise EngineError("No file was given. Name at least one source.")
    parts: dict[Role, list[Path]] = {"customers": [], "orders": [], "events": [], "offers": []}
    joins_by = {beside.key for beside in plan.files}
    wanted = [plan.id, *dict.fromkeys(name for beside in plan.files for name in (beside.key, *beside.columns))]
    for path in sources:
        names = sorted(joins.as_known(column_names(path), wanted))
        extra = extra_role(names)
        mine = plan.id in names and not joins_by & set(names) and not (extra and _tells_else(names, plan))
        part = extra if not mine and not _joined(names, plan) else None
        parts[part or "customers"].append(path)
    return parts


def _tells_else(names: Sequence[str], plan: Plan) -> bool:
    """Whether a file lacks the answer or the money that the mapping names: another file may have the same id."""
    return not {plan.label, plan.money} - {""} <= set(names)


def _joined(names: Sequence[str], plan: Plan) -> bool:
    return any(beside.key in names and set(beside.columns) <= set(names) for beside in plan.files)


def _refuse_unknown(plan: Plan, raw: Raw, names: Sequence[str]) -> None:
    """EngineError when the mapping names a column that is not there."""
    unknown = [name for name in (*plan.named, *plan.ignored) if name not in names]
    if unknown:
        raise EngineError(f"The mapping names {', '.join(map(repr, unknown))}, but {raw.name} has the columns: "
                          f"{', '.join(names)}.")


def _of_one_moment(plan: Plan, raw: Raw) -> tuple[Plan, tuple[Finding, ...]]:
    """Where a filled day says who left and joined rows go on after the first have left: a severe finding, and the plan
    without the days of last rows. Whoever left has no later rows, so what was joined tells partly who left."""
    if not plan.filled or plan.label not in raw.frame:
        return plan, ()
    ends = moments(raw.frame[plan.label], plan.label).values
    last = {name: raw.frame[name] for name in gathering.last_days(plan.files) if name in raw.frame}
    until = max((days.max() for days in last.values() if days.notna().any()), default=pd.NaT)
    known = ends[ends.notna()]
    if not len(known) or pd.isna(until) or (known < until).mean() <= SOME:
        return plan, ()
    files = ", ".join(beside.name for beside in plan.files if beside.many and beside.dates)
    what = (f"Customers left from {known.min():%Y-%m-%d} to {known.max():%Y-%m-%d}, and the rows of {files} go on to "
            f"{until:%Y-%m-%d}: whoever left has no later ones, so what was joined tells partly who left. Features and "
            f"label are not of one moment: {ONLY_DESCRIBE}.")
    fix = (f"{', '.join(last)} {'is' if len(last) == 1 else 'are'} left out, and what else was joined still knows. "
           "Bring rows from before one day and who left after it; or orders, events or subscriptions with their times, "
           "of which this is made for every moment.")
    dates = tuple(name for name in plan.dates if name not in last)
    return replace(plan, dates=dates, ignored=(*plan.ignored, *last)), (
        Finding("severe", plan.label, what, fix, len(known)),)


def _as_drawn(ask: Ask, plan: Plan, raw: Raw) -> tuple[Ask, tuple[Finding, ...]]:
    """What is asked, with the midnight after the last joined row, or the last of the days on which customers were last
    seen, as the moment of the data where nobody tells another: a file was drawn then, not on the day it is read."""
    if ask.observed_until or ask.options.get("observed_until"):
        return ask, ()
    rows = {beside.name: raw.frame[last] for beside in plan.files if (last := gathering.last_row(beside)) in raw.frame}
    found = _latest(rows or _last_seen(plan, raw), ask.now)
    if found is None:
        return ask, ()
    name, day = found
    moment = datetime.combine(day.date() + timedelta(days=1), time())
    if moment >= ask.now:
        return ask, ()
    last = f"last {'row' if rows else 'value'} of {name}"
    what = (f"The file does not say when it was drawn; the {last} is of {day:%Y-%m-%d}, and the data are taken to be "
            "known up to then.")
    return replace(ask, observed_until=moment), (
        Finding("note", name, what, "If they were drawn on another day, give it (Drawn on, or --as-of).", 0),)


def _latest(ends: Mapping[str, pd.Series], now: datetime) -> tuple[str, pd.Timestamp] | None:
    """Of columns of days the one whose last day, not to come yet, is the latest, and that day."""
    until = {name: days[days <= now].max() for name, days in ends.items()}
    known = {name: day for name, day in until.items() if not pd.isna(day)}
    return max(known.items(), key=lambda each: each[1], default=None)


def _last_seen(plan: Plan, raw: Raw) -> dict[str, pd.Series]:
    """The columns of days on which something of a customer was last."""
    names = [name for name in plan.dates if name in raw.frame and says(named(name), LAST)]
    return {name: moments(raw.frame[name], name).values for name in names}


# ----------------------------------------------------------------------------------------------------- columns

def _as_it_came(sources: Sequence[Path], plan: Plan) -> dict[str, str]:
    """By column that the mapping reads, the title of the later month that is read as it."""
    names = dict.fromkeys(name for path in sources for name in column_names(path))
    return {old: title(new) for new, old in moved(names, plan.read).items()}


def _fields(plan: Plan, names: Sequence[str], later: Mapping[str, str]) -> tuple[list[Field], dict[str, str]]:
    """Fields for the mapping's columns, and by canonical name the column of the file."""
    key = plan.id or ROW
    roles = {key: CUSTOMER_ID, plan.tenure: TENURE, plan.recency: RECENCY}
    if plan.label in names:
        roles[plan.label] = replace(CHURNED, kind="category")
    said = {**gathering.titles(plan.files), **later}
    roles.setdefault(plan.money, _own(plan.money, "number", "currency", said.get(plan.money, "")))
    for kind, listed in (("category", plan.categorical), ("number", plan.numeric), ("flag", plan.flags),
                         ("date", plan.dates)):
        for name in listed:
            roles.setdefault(name, _own(name, kind, said=said.get(name, "")))
    roles.pop("", None)
    fields = [Field(column, required=name == key, strict=name in {plan.money, plan.tenure, plan.recency})
              for name, column in _apart(roles).items()]
    found = {field.name: name for field, name in zip(fields, roles, strict=True)}
    return fields, {**found, **{name: column for name, column in plan.contact.items() if name not in found}}


def _apart(roles: dict[str, Column]) -> dict[str, Column]:
    """The columns under names that differ, where the file's own differ only by marks or are those of contact fields."""
    taken = {column.name for column in CONTACT}
    apart = {}
    for name, column in roles.items():
        free = next(one for one in (column.name, *(f"{column.name}_{n}" for n in range(2, 10_000))) if one not in taken)
        taken.add(free)
        apart[name] = replace(column, name=free)
    return apart


def _own(name: str, kind: Any, unit: str = "", said: str = "") -> Column:
    return Column(snake(name), kind, unit, AS_IN_FILE, label=said or title(name))


def _money(plan: Plan, found: dict[str, str]) -> tuple[MoneyRule, tuple[Finding, ...]]:
    if plan.money:
        name = next(canonical for canonical, own in found.items() if own == plan.money)
        return MoneyRule(name, plan.per, plan.period_days), ()
    what = ("No column was recognised as what customers pay: what a customer is worth is counted in months as a "
            "customer.")
    fix = "Name the column with what a customer pays; until then costs cannot be weighed against value."
    return MoneyRule("", "month"), (Finding("severe", "money", what, fix),)


def _guesses(plan: Plan) -> Iterator[Finding]:
    """A finding for each part that nobody has agreed to."""
    columns = {"label": plan.label, "money": plan.money}
    for role, why in plan.guessed.items():
        what = f"{columns[role]} is taken for {GUESSED[role]}, which is a guess: {why}."
        yield Finding("warning", columns[role], what, "Look whether it is. Accept the proposal with a yes of your own "
                      "(Data, or `onboard` without --yes), or leave it out of the mapping's [guessed], to say so; or "
                      "name another column.")


# ------------------------------------------------------------------------------------------------------- label

def _answered(taken: Taken, plan: Plan) -> Taken:
    """The label's column as 1 (positive) and 0."""
    if CHURNED.name not in taken.frame:
        return taken
    said = taken.frame[CHURNED.name]
    values = [str(value) for value in pd.unique(said.dropna())]
    left = set(values) if plan.filled else {value for value in values for one in plan.positive if _same(value, one)}
    answer = replace(CHURNED, label=plan.label)
    columns = tuple(answer if column.name == CHURNED.name else column for column in taken.columns)
    known = said.notna() | plan.filled
    frame = taken.frame.assign(churned=said.isin(left).astype(float).where(known))
    found = (*_never(plan, values, left), *_several_stayed(plan, said[~said.isin(left)]))
    return replace(taken, frame=frame, columns=columns, findings=(*taken.findings, *found))


def _who_left(plan: Plan, answers: pd.Series) -> pd.Series:
    """By row of the file, whether the customer left."""
    said = as_written(answers).str.strip()
    if plan.filled:
        return said != ""
    return said.isin([value for value in said.unique() if any(_same(value, one) for one in plan.positive)])


def _same(value: str, positive: object) -> bool:
    """Whether a text is the positive value: in any case, or as the same number.

    >>> _same("Cancelled", "cancelled"), _same("1.0", 1), _same("yes", True)
    (True, True, True)
    """
    if isinstance(positive, bool):
        return (value.lower() in TRUE) == positive
    try:
        return float(value) == float(str(positive))
    except ValueError:
        return value.lower() == str(positive).strip().lower()


def _never(plan: Plan, values: Sequence[str], left: Collection[str]) -> tuple[Finding, ...]:
    if left:
        return ()
    what = f"The positive value {_shown(plan)} never occurs; the values are {', '.join(sorted(values)[:5])}."
    return (Finding("warning", plan.label, what, "Correct it in the mapping if customers have left."),)


def _several_stayed(plan: Plan, others: pd.Series) -> tuple[Finding, ...]:
    """A finding where several answers count as having stayed: they may not mean the same."""
    rows = others.dropna().astype(str).value_counts()
    if plan.filled or len(rows) < 2 or {value.lower() for value in rows.index} <= FALSE:
        return ()
    told = ", ".join(f"{value} ({count:,})" for value, count in rows.head(MOST_ANSWERS).items())
    more = f" and {len(rows) - MOST_ANSWERS} more" if len(rows) > MOST_ANSWERS else ""
    fix = ("Where one of them is no answer, such as of those who only just joined, blank it: they are scored then, not "
           "learned from. Where it means left, name it among the label's values.")
    return (Finding("warning", plan.label, f"Several answers count as having stayed: {told}{more}.", fix,
                    int(rows.iloc[1:].sum())),)


def _shown(plan: Plan) -> str:
    return " or ".join(map(str, plan.positive))


def _label(plan: Plan, ask: Ask, names: Sequence[str]) -> tuple[LabelRule, tuple[Finding, ...]]:
    told = ask.options.get("horizon_days", plan.horizon_days)
    days, assumed = horizon({"horizon_days": told}, HORIZON_DAYS)
    if plan.label not in names or not plan.label:
        what = f"The label's column {plan.label!r} is not in the file, which has: {', '.join(names)}."
        about = (Finding("warning", "label", what, "It can be scored, not learned from."),) if plan.label else ()
        return LabelRule("none", days, "the file does not say who left"), about
    words = f"{plan.label} is {'filled' if plan.filled else _shown(plan)}; the window is {days} days"
    note = Finding("warning", plan.label, unsaid_window(days),
                   "Give the days that the answer looks ahead (Leaving within, or horizon_days in the mapping).")
    rule = LabelRule("column", days, words, CHURNED.name, "1", assumed=assumed, asked=plan.label)
    return rule, (note,) if assumed else ()
