"""Records to JSON and back, exactly: by the types that the records declare, so nothing is guessed."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from engine.schema.columns import Column
from engine.schema.records import jsonable


def dumps(record: Any, kind: Any = None) -> str:
    """The record as JSON with sorted keys, the same bytes each time; infinite and missing numbers survive.

    `kind` is the record's type when its value does not say so, such as tuple[Finding, ...]. What a record declares as
    Any is written as plain JSON: tuples come back as lists there, moments as text, missing numbers as null.

    >>> loads(Column, dumps(Column("x", "number", "share 0..1", "a share", low=0.0))).high
    inf
    """
    return json.dumps(_pack(record, kind or type(record)), sort_keys=True, indent=1, ensure_ascii=False,
                      allow_nan=False) + "\n"


def loads(kind: Any, text: str) -> Any:
    """The record of that type which `dumps` wrote; fields that the text lacks take their defaults.

    >>> from engine.schema.findings import Finding
    >>> loads(tuple[Finding, ...], dumps((Finding("note", "x", "is odd."),), tuple[Finding, ...]))
    (Finding(severity='note', where='x', what='is odd.', fix='', rows=0),)
    """
    return _unpack(json.loads(text), kind)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, localns={"Column": Column})


def _pack(value: Any, kind: Any) -> Any:
    kind = _without_none(kind)
    if value is None or kind is Any:
        return jsonable(value)
    if dataclasses.is_dataclass(kind):
        return {name: _pack(getattr(value, name), hint) for name, hint in _hints(kind).items()}  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        return [_pack(item, hint) for item, hint in zip(value, _items(kind, len(value)), strict=True)]
    if _is_mapping(kind):
        return {str(key): _pack(item, get_args(kind)[1]) for key, item in value.items()}
    if kind is float:
        return float(value) if math.isfinite(value) else str(float(value))
    if kind in (int, bool):
        return kind(value)
    return jsonable(value)


def _unpack(value: Any, kind: Any) -> Any:
    optional, kind = _without_none(kind) is not kind, _without_none(kind)
    if kind is Any or (value is None and optional):
        return value
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{name: _unpack(item, hints[name]) for name, item in value.items()})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_unpack(item, hint) for item, hint in zip(value, _items(kind, len(value)), strict=True))
    if _is_mapping(kind):
        return {key: _unpack(item, get_args(kind)[1]) for key, item in value.items()}
    if kind is datetime:
        return datetime.fromisoformat(value)
    return kind(value) if kind in (float, int, bool, Path) else value


def _without_none(kind: Any) -> Any:
    """`T` of `T | None`; any other type as it is."""
    if get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind):
        return next(part for part in get_args(kind) if part is not type(None))
    return str if get_origin(kind) is Literal else kind


def _items(kind: Any, count: int) -> tuple[Any, ...]:
    """The types of a tuple's items: tuple[T, ...] repeats T."""
    parts = get_args(kind)
    return (parts[0],) * count if parts[-1] is Ellipsis else parts


def _is_mapping(kind: Any) -> bool:
    return isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Mapping)
