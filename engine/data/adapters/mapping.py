"""The mapping of a table: which column plays which part, how files are joined and mended, as one small TOML file.

    id = "client_no"               # or rows = "numbered": then nobody can be followed to the next file
    horizon_days = 30              # optional: the window within which the customers with the positive label left
    sector = "saas"                # optional
    currency = "EUR"               # optional
    tenure = "months_active"       # optional, months
    recency = "days_since_login"   # optional, days
    categorical = ["plan"]         # optional lists; columns in none of them are taken by type
    numeric = ["seats"]
    flags = ["auto_renews"]        # yes and no
    dates = ["signed_up"]          # known as days before the moment of the data
    ignored = ["internal_note"]
    consent = ["marketing"]        # who may be contacted by every channel; or consent_email, consent_sms, consent_phone
    refusal_phone = ["no_calls"]   # a yes there means no; or refusal, refusal_email, refusal_sms

    [label]                        # optional: without it the table can be scored but not learned from
    column = "status"
    positive = "cancelled"         # or several: ["cancelled", "expired"]; or instead: filled = true

    [money]                        # or value = "months" above: what a customer is worth is counted in months
    column = "mrr"
    per = "month"                  # or "total"; then period_days says over how long
    period_days = 365

    [contact]                      # optional, where the names do not say it
    email = "correo"

    [guessed]                      # what nobody has agreed to yet: the part and what it rests on; leave it out to agree
    money = "its name says what was paid; over which time is not said, a year is taken"

    [[files]]                      # optional: what further files bring (engine/data/doctor/besides.py)
    name = "tickets"
    key = "account"
    to = "client_no"
    many = true

    [[cures]]                      # optional: what is mended in the cells (engine/data/doctor/cures.py)
    column = "discount"
    cure = "percent"
    off = false                    # true: a person has declined it, and no later file is mended so
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.data.doctor import besides, consents, cures
from engine.data.doctor.besides import Beside
from engine.errors import EngineError
from engine.schema import CONTACT

LISTS = ("categorical", "numeric", "flags", "dates", "ignored", *consents.USES)
TEXTS = ("id", "tenure", "recency", "sector", "currency")
KEYS = {"adapter", "rows", "value", "horizon_days", "label", "money", "contact", "guessed", "files", "cures", *LISTS,
        *TEXTS}
LABEL_KEYS, MONEY_KEYS = {"column", "positive", "filled"}, {"column", "per", "period_days"}
CONTACT_KEYS = {column.name for column in CONTACT}
GUESSED_KEYS = {"label", "money"}
EMPTY: tuple[Any, ...] = ("", None, [], (), {})


@dataclass(frozen=True)
class Plan:
    """A checked mapping: which column of the file plays which part; "" or empty where none does."""

    id: str = ""
    money: str = ""
    per: Literal["month", "total"] = "month"
    period_days: float = 365.0
    label: str = ""
    positive: tuple[Any, ...] = ()
    filled: bool = False
    horizon_days: int | None = None
    tenure: str = ""
    recency: str = ""
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    consents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sector: str = ""
    currency: str = ""
    contact: Mapping[str, str] = field(default_factory=dict)
    guessed: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Beside, ...] = ()
    cures: tuple[Mapping[str, Any], ...] = ()
    declined: tuple[Mapping[str, Any], ...] = ()

    @property
    def named(self) -> list[str]:
        """Every column the mapping needs, without the label: files to be scored have none."""
        parts = (self.id, self.money, self.tenure, self.recency, *self.categorical, *self.numeric, *self.flags,
                 *self.dates, *self.contact.values(), *consents.columns_of(self.consents))
        return list(dict.fromkeys(name for name in parts if name))

    @property
    def read(self) -> list[str]:
        """Every column the mapping reads, the label among them."""
        return list(dict.fromkeys(name for name in (*self.named, self.label) if name))


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


# ------------------------------------------------------------------------------------------------------------- writing

def written(mapping: Mapping[str, Any]) -> str:
    """The mapping as TOML, what is empty left out.

    >>> print(written({"id": "client", "tenure": "", "numeric": ["seats"], "money": {"column": "mrr", "per": "month"},
    ...                "cures": [{"column": "fee", "cure": "percent"}]}))
    id = "client"
    numeric = ["seats"]
    <BLANKLINE>
    [money]
    column = "mrr"
    per = "month"
    <BLANKLINE>
    [[cures]]
    column = "fee"
    cure = "percent"
    """
    parts = {name: part for name, part in mapping.items() if isinstance(part, Mapping)}
    lists = {name: part for name, part in mapping.items() if name in ("files", "cures")}
    lines = _lines({name: value for name, value in mapping.items() if name not in {**parts, **lists}})
    for name, part in parts.items():
        lines += ["", f"[{name}]", *_lines(part)] if part else []
    for name, several in lists.items():
        for part in several:
            lines += ["", f"[[{name}]]", *_lines(part)]
    return "\n".join(lines)


def _lines(part: Mapping[str, Any]) -> list[str]:
    return [f"{_key(name)} = {_value(value)}" for name, value in part.items() if value not in EMPTY]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    """The value as TOML writes it: as JSON does, but for tables and the one character that JSON leaves as it is."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(name))} = {_value(part)}" for name, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# ------------------------------------------------------------------------------------------------------------ checking

def check(mapping: Mapping[str, Any]) -> Plan:
    """The mapping as a plan, or an EngineError that says which key is missing, unknown or wrong.

    >>> check({"id": "client", "money": {"column": "mrr", "per": "month"}}).money
    'mrr'
    """
    parts: tuple[tuple[str, Any, set[str]], ...] = (
        ("mapping", mapping, KEYS), ("[label]", mapping.get("label", {}), LABEL_KEYS),
        ("[money]", mapping.get("money", {}), MONEY_KEYS), ("[contact]", mapping.get("contact", {}), CONTACT_KEYS),
        ("[guessed]", mapping.get("guessed", {}), GUESSED_KEYS))
    for where, part, keys in parts:
        if not isinstance(part, Mapping) or set(part) - keys:
            raise EngineError(f"The {where} may hold {', '.join(sorted(keys))}, but holds {part!r}.")
    if mapping.get("rows") != "numbered":
        _need(mapping, "id")
    if mapping.get("value") != "months":
        _need(mapping.get("money", {}), "column", " in [money]")
    return _plan(mapping, mapping.get("label", {}), mapping.get("money", {}))


def _plan(mapping: Mapping[str, Any], label: Mapping[str, Any], money: Mapping[str, Any]) -> Plan:
    lists: dict[str, Any] = {key: _list(mapping, key) for key in LISTS if key not in consents.USES}
    told = {use: names for use in consents.USES if (names := _list(mapping, use))}
    texts: dict[str, Any] = {key: str(mapping.get(key, "")) for key in TEXTS}
    contact = {name: str(column) for name, column in mapping.get("contact", {}).items()}
    chosen, declined = cures.check(mapping.get("cures", ()))
    return Plan(**_label(label), **_money(money), horizon_days=mapping.get("horizon_days"), **lists, **texts,
                consents=told, contact=contact, guessed=_guessed(mapping), cures=chosen, declined=declined,
                files=besides.check(mapping.get("files", ())))


def _label(label: Mapping[str, Any]) -> dict[str, Any]:
    if not label:
        return {}
    _need(label, "column", " in [label]")
    if label.get("filled") is True:
        return {"label": str(label["column"]), "filled": True}
    _need(label, "positive", " in [label]")
    told = label["positive"]
    return {"label": str(label["column"]), "positive": tuple(told) if isinstance(told, (list, tuple)) else (told,)}


def _money(money: Mapping[str, Any]) -> dict[str, Any]:
    if not money:
        return {}
    _need(money, "column", " in [money]")
    if money.get("per") not in {"month", "total"}:
        raise EngineError(f"'per' in [money] is {money.get('per')!r}. Write \"month\" or \"total\".")
    days = money.get("period_days", 365)
    if not isinstance(days, (int, float)) or isinstance(days, bool) or not 0 < days < 1e5:
        raise EngineError(f"'period_days' in [money] is {days!r}. Give a number of days above 0.")
    return {"money": str(money["column"]), "per": money["per"], "period_days": float(days)}


def _guessed(mapping: Mapping[str, Any]) -> dict[str, str]:
    """What each guess rests on, of those parts that some column plays."""
    return {role: str(why) for role, why in mapping.get("guessed", {}).items() if mapping.get(role)}


def _list(mapping: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = mapping.get(key, [])
    if not isinstance(names, (list, tuple)):
        raise EngineError(f"{key!r} in the mapping is {names!r}. Give a list of column names.")
    return tuple(map(str, names))


def _need(part: Mapping[str, Any], key: str, where: str = "") -> None:
    if part.get(key) in (None, "", []):
        raise EngineError(f"The mapping lacks {key!r}{where}. Add it.")
