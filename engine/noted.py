"""What is noted with a version once it is registered: who was erased, the answers left, whether its money counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from engine.catalog import TABLES, folder_of
from engine.data import worth
from engine.files import read_record, write_record
from engine.schema import Dataset


def erasure(version: Dataset, called: str) -> None:
    """Note with a version the pseudonym of a customer whom it holds no more; nothing happens when that is noted."""
    record = _record(version)
    if called not in record.erased:
        _write(replace(record, erased=(*record.erased, called)))


def answers(version: Dataset, sha256: str) -> None:
    """Note the sha256 of a version's answers, after a customer was erased from them."""
    _write(replace(_record(version), answers_sha256=sha256))


def money(version: Dataset, quarantined: Collection[tuple[str, str]]) -> Dataset:
    """Note with a version whether its money is among what the model that scores it may not know; returns it, seen as
    it is given, as it is counted then."""
    record, read = _record(version), as_read(version)
    withheld = worth.withheld(read, quarantined)
    if record.money_withheld != withheld:
        _write(replace(record, money_withheld=withheld))
    known = replace(version, money=read.money, currency=read.currency, columns=read.columns, money_withheld=False)
    return known.in_months() if withheld else known


def as_read(version: Dataset) -> Dataset:
    """The version as its files were read, with its money, whether or not the model in use may know it."""
    record, folder = _record(version), folder_of(version)
    where = {name: folder / path for name in TABLES if (path := getattr(record, name)) is not None}
    return replace(record, **where, money_withheld=False)


def _record(version: Dataset) -> Dataset:
    record: Dataset = read_record(folder_of(version) / "dataset.json", Dataset)
    return record


def _write(record: Dataset) -> None:
    write_record(folder_of(record) / "dataset.json", record)
