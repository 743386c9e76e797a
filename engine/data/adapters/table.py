"""Any table with one row per customer, through a small TOML mapping:

    id = "client_no"
    horizon_days = 30              # optional: the window within which the customers with the positive label left
    sector = "saas"                # optional
    currency = "EUR"               # optional
    tenure = "months_active"       # optional, months
    recency = "days_since_login"   # optional, days
    categorical = ["plan"]         # optional lists; columns in none of them are taken by type
    numeric = ["seats"]
    ignored = ["internal_note"]

    [label]                        # optional: without it the table can be scored but not learned from
    column = "status"
    positive = "cancelled"

    [money]
    column = "mrr"
    per = "month"                  # or "total"; then period_days says over how long
    period_days = 365
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from engine.data.adapters.assemble import Ask, extra_role, finish, gather_snapshot
from engine.data.adapters.common import Field, Taken, horizon, snake
from engine.data.adapters.telco import CHURNED
from engine.data.parsing import TRUE
from engine.data.readers import column_names
from engine.errors import EngineError
from engine.schema import CUSTOMER_ID, Column, Finding, LabelRule, MoneyRule, Reading

HORIZON_DAYS = 91
TENURE = Column("tenure_months", "number", "months", "Months since the customer joined", 0, label="Tenure")
RECENCY = Column("recency_days", "number", "days", "Days since the customer was last active", 0, label="Recency")
KEYS = {"id", "horizon_days", "sector", "currency", "tenure", "recency", "categorical", "numeric", "ignored", "label",
        "money"}
LABEL_KEYS, MONEY_KEYS = {"column", "positive"}, {"column", "per", "period_days"}


@dataclass(frozen=True)
class Plan:
    """A checked mapping: which column of the file plays which part."""

    id: str
    money: str
    per: Literal["month", "total"]
    period_days: float
    label: str = ""
    positive: Any = None
    horizon_days: int | None = None
    tenure: str = ""
    recency: str = ""
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    sector: str = ""
    currency: str = ""

    @property
    def named(self) -> list[str]:
        """Every column the mapping needs, without the label: files to be scored have none."""
        parts = (self.id, self.money, self.tenure, self.recency, *self.categorical, *self.numeric)
        return list(dict.fromkeys(name for name in parts if name))


def read(ask: Ask, sources: Sequence[Path]) -> Reading:
    """The customers as the mapping says; columns it does not mention are taken by type, with a finding."""
    mapping = load(ask.options.get("mapping"))
    plan = check(mapping)
    ask = replace(ask, options={**ask.options, "mapping": mapping})
    names = _columns(sources, plan)
    fields, found = _fields(plan, names)
    gathered = gather_snapshot(ask, sources, fields, lambda taken, _raw: _answered(taken, plan), found, plan.ignored)
    label, about = _label(plan, ask, names)
    money = MoneyRule(_fields_name(found, plan.money), plan.per, plan.period_days)
    return finish(ask, replace(gathered, findings=(*gathered.findings, *about)), label, money,
                  currency=plan.currency, sector=plan.sector)


# ----------------------------------------------------------------------------------------------------- mapping

def load(mapping: object) -> dict[str, Any]:
    """The mapping itself, from the path of a TOML file or as it is."""
    if isinstance(mapping, Mapping):
        return dict(mapping)
    if not isinstance(mapping, (str, Path)):
        raise EngineError("A table needs a mapping. Give the path of a TOML file that says which column is what.")
    try:
        return parsed(Path(mapping).read_text(encoding="utf-8"), Path(mapping).name)
    except OSError as problem:
        raise EngineError(f"The mapping {mapping} cannot be read: {problem.strerror}. Check its path.") from problem
    except UnicodeDecodeError as problem:
        raise EngineError(f"The mapping {Path(mapping).name} is not valid TOML: {problem}.") from problem


def parsed(text: str, name: str) -> dict[str, Any]:
    """The mapping of a TOML text; `name` is what an error calls it."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise EngineError(f"The mapping {name} is not valid TOML: {problem}.") from problem


def written(mapping: Mapping[str, Any]) -> str:
    """The mapping as TOML, what is empty left out.

    >>> print(written({"id": "client", "tenure": "", "numeric": ["seats"], "money": {"column": "mrr", "per": "month"}}))
    id = "client"
    numeric = ["seats"]
    <BLANKLINE>
    [money]
    column = "mrr"
    per = "month"
    """
    parts = {name: part for name, part in mapping.items() if isinstance(part, Mapping)}
    lines = _lines({name: value for name, value in mapping.items() if name not in parts})
    for name, part in parts.items():
        lines += ["", f"[{name}]", *_lines(part)] if part else []
    return "\n".join(lines)


def _lines(part: Mapping[str, Any]) -> list[str]:
    """Keys and values as TOML writes them: as JSON does, but for the one character that only JSON leaves as it is."""
    filled = {name: value for name, value in part.items() if value not in ("", None, [], ())}
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
            for name, value in filled.items()]


def check(mapping: Mapping[str, Any]) -> Plan:
    """The mapping as a plan, or an EngineError that says which key is missing, unknown or wrong.

    >>> check({"id": "client", "money": {"column": "mrr", "per": "month"}}).money
    'mrr'
    """
    label, money = mapping.get("label", {}), mapping.get("money", {})
    parts: tuple[tuple[str, Any, set[str]], ...] = (
        ("mapping", mapping, KEYS), ("[label]", label, LABEL_KEYS), ("[money]", money, MONEY_KEYS))
    for where, part, keys in parts:
        if not isinstance(part, Mapping) or set(part) - keys:
            raise EngineError(f"The {where} may hold {', '.join(sorted(keys))}, but holds {part!r}.")
    _need(mapping, "id")
    _need(money, "column", " in [money]")
    if label:
        _need(label, "column", " in [label]")
        _need(label, "positive", " in [label]")
    if money.get("per") not in {"month", "total"}:
        raise EngineError(f"'per' in [money] is {money.get('per')!r}. Write \"month\" or \"total\".")
    return _plan(mapping, label, money)


def _plan(mapping: Mapping[str, Any], label: Mapping[str, Any], money: Mapping[str, Any]) -> Plan:
    lists: dict[str, Any] = {key: _list(mapping, key) for key in ("categorical", "numeric", "ignored")}
    texts: dict[str, Any] = {key: str(mapping.get(key, "")) for key in ("tenure", "recency", "sector", "currency")}
    days = money.get("period_days", 365)
    if not isinstance(days, (int, float)) or not 0 < days < 1e5:
        raise EngineError(f"'period_days' in [money] is {days!r}. Give a number of days above 0.")
    return Plan(id=str(mapping["id"]), money=str(money["column"]), per=money["per"], period_days=float(days),
                label=str(label.get("column", "")), positive=label.get("positive"),
                horizon_days=mapping.get("horizon_days"), **lists, **texts)


def _list(mapping: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = mapping.get(key, [])
    if not isinstance(names, (list, tuple)):
        raise EngineError(f"{key!r} in the mapping is {names!r}. Give a list of column names.")
    return tuple(map(str, names))


def _need(part: Mapping[str, Any], key: str, where: str = "") -> None:
    if part.get(key) in (None, ""):
        raise EngineError(f"The mapping lacks {key!r}{where}. Add it.")


# ----------------------------------------------------------------------------------------------------- columns

def _columns(sources: Sequence[Path], plan: Plan) -> list[str]:
    """The customers file's columns; EngineError when the mapping names one that it has not."""
    every = [(path, column_names(path)) for path in sources]
    main = next(((path, names) for path, names in every if plan.id in names and not extra_role(names)), every[0])
    path, names = main
    unknown = [name for name in (*plan.named, *plan.ignored) if name not in names]
    if unknown:
        raise EngineError(f"The mapping names {', '.join(map(repr, unknown))}, but {path.name} has the columns: "
                          f"{', '.join(names)}.")
    return names


def _fields(plan: Plan, names: Sequence[str]) -> tuple[list[Field], dict[str, str]]:
    """Fields for the mapping's columns, and by canonical name the column of the file."""
    roles = {plan.id: CUSTOMER_ID, plan.tenure: TENURE, plan.recency: RECENCY}
    if plan.label in names:
        roles[plan.label] = replace(CHURNED, kind="category")
    roles.setdefault(plan.money, _own(plan.money, "number", "currency"))
    for name in plan.categorical:
        roles.setdefault(name, _own(name, "category"))
    for name in plan.numeric:
        roles.setdefault(name, _own(name, "number"))
    roles.pop("", None)
    fields = [Field(column, required=name == plan.id, strict=name in {plan.money, plan.tenure, plan.recency})
              for name, column in roles.items()]
    return fields, {column.name: name for name, column in roles.items()}


def _own(name: str, kind: Literal["number", "category"], unit: str = "") -> Column:
    return Column(snake(name), kind, unit, "As in the file", label=name)


def _fields_name(found: Mapping[str, str], name: str) -> str:
    return next(canonical for canonical, own in found.items() if own == name)


# ------------------------------------------------------------------------------------------------------- label

def _answered(taken: Taken, plan: Plan) -> Taken:
    """The label's column as 1 (positive) and 0."""
    if CHURNED.name not in taken.frame:
        return taken
    said = taken.frame[CHURNED.name]
    values = [str(value) for value in pd.unique(said.dropna())]
    left = {value for value in values if _same(value, plan.positive)}
    answer = replace(CHURNED, label=plan.label)
    columns = tuple(answer if column.name == CHURNED.name else column for column in taken.columns)
    frame = taken.frame.assign(churned=said.isin(left).astype(float).where(said.notna()))
    return replace(taken, frame=frame, columns=columns, findings=(*taken.findings, *_never(plan, values, left)))


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
    what = f"The positive value {plan.positive!r} never occurs; the values are {', '.join(sorted(values)[:5])}."
    return (Finding("warning", plan.label, what, "Correct it in the mapping if customers have left."),)


def _label(plan: Plan, ask: Ask, names: Sequence[str]) -> tuple[LabelRule, tuple[Finding, ...]]:
    told = ask.options.get("horizon_days", plan.horizon_days)
    days, assumed = horizon({"horizon_days": told}, HORIZON_DAYS)
    if plan.label not in names or not plan.label:
        what = f"The label's column {plan.label!r} is not in the file, which has: {', '.join(names)}."
        about = (Finding("warning", "label", what, "It can be scored, not learned from."),) if plan.label else ()
        return LabelRule("none", days, "the file does not say who left"), about
    words = f"{plan.label} is {plan.positive}; the window is {days} days"
    note = Finding("warning", plan.label, f"The mapping does not say within which time a customer left; a quarter "
                   f"({days} days) was taken.", "Set horizon_days in the mapping.")
    return LabelRule("column", days, words, CHURNED.name, "1", assumed=assumed), (note,) if assumed else ()
