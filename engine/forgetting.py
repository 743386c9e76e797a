"""Taking one customer out of everything that a dataset's folder, its jobs, its uploads and its people keep.

Each file changes in one step, and each step can be done again: whoever is interrupted begins anew. What says how the
customer is called (findings, cards, what jobs printed) goes before the customers table, which is asked for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from engine import bulk, catalog, jobs, noted, saved, state, uploads
from engine.campaign import traces
from engine.catalog import Run, dataset_folder
from engine.data.readers import WHOLE, column_names, digest
from engine.data.rewriting import BROKEN, id_column, id_columns, mentions, remove_rows, rows_of
from engine.errors import EngineError
from engine.files import sweep, write_record
from engine.prediction import store
from engine.pseudonyms import pseudonym
from engine.schema import CONTACT, Dataset, Finding
from engine.uploads import Upload

RUN_TABLES = ("features", "known", "reasons", "scores")
EXAMPLE = re.compile(r"\b(such as|for example)\b.*", re.DOTALL)


@dataclass(frozen=True)
class Removed:
    """What was found of a customer and is gone.

    rows: of tables and raw files. versions: those that held the customer. runs, cards, uploads, jobs, saved: of how
    many something was removed. ledger: rows of campaigns, the save desk and the suppression list; of an erased dataset
    its campaigns. raw: raw files that went as a whole. models: those learned from such a version.
    scrubbed: whether the database's own files have shed it too.
    """

    rows: int = 0
    versions: tuple[str, ...] = ()
    runs: int = 0
    raw: tuple[str, ...] = ()
    uploads: int = 0
    jobs: int = 0
    saved: int = 0
    ledger: int = 0
    models: tuple[str, ...] = ()
    scrubbed: bool = True

    @property
    def anything(self) -> bool:
        """Whether there was anything of the customer."""
        return bool(self.versions or self.uploads or self.jobs or self.saved or self.ledger)


def forget(name: str, customer_id: str, resumed: bool = False) -> Removed:
    """Remove the customer from the dataset, everywhere. `resumed`: an interrupted call has removed some already."""
    for half in dataset_folder(name).rglob(".*.part"):
        half.unlink()
    bulk.drop_parts(name)
    texts, versions, runs = texts_of(name, customer_id), versions_of(name), catalog.runs(name)
    removed = Removed(
        uploads=drop_uploads(lambda upload: any(mentions(path, customer_id) for path in upload.sources)),
        jobs=jobs.forget_customer(name, customer_id, texts), saved=saved.forget_customer(name, customer_id),
        ledger=traces.forget_customer(name, customer_id),
    )
    for record in store.models(name):
        _clean_card(name, record.model_id, texts)
    for version in versions:
        _clean_findings(version, texts)
    cleaned = [_clean(version, [run for run in runs if run.version == version.version], customer_id)
               for version in versions]
    held = [version.version for version, (rows, _, raw) in zip(versions, cleaned, strict=True)
            if rows or raw or (resumed and pseudonym(customer_id) in version.erased)]
    return replace(removed, rows=sum(rows for rows, _, _ in cleaned), runs=sum(runs for _, runs, _ in cleaned),
                   raw=tuple(name for *_, raw in cleaned for name in raw), versions=tuple(held),
                   models=tuple(r.model_id for r in store.models(name) if r.card.version in held),
                   scrubbed=state.scrub())


def versions_of(name: str) -> list[Dataset]:
    """Every version of the dataset."""
    return [catalog.dataset(name, version) for version in catalog.versions(name)]


def texts_of(name: str, customer_id: str) -> tuple[str, ...]:
    """What the customer can be told by: the id, and name and addresses in every version that holds them."""
    fields = [column.name for column in CONTACT if column.kind == "text"]
    found = {customer_id}
    for version in versions_of(name):
        wanted = ["customer_id", *(field for field in fields if field in version.names)]
        rows = pd.read_parquet(version.customers, columns=wanted, filters=[("customer_id", "==", customer_id)])
        found |= {str(value) for value in rows.drop(columns="customer_id").to_numpy().ravel() if pd.notna(value)}
    return tuple(sorted(found - {""}))


def drop_uploads(wanted: Callable[[Upload], bool]) -> int:
    """Remove the uploads of that kind, whoever's; returns how many."""
    gone = [upload for upload in uploads.every() if wanted(upload)]
    for upload in gone:
        uploads.remove(upload)
    sweep(uploads.uploads_home())
    return len(gone)


# ------------------------------------------------------------------------------------------------------- words

def _clean_card(name: str, model_id: str, texts: Sequence[str]) -> None:
    card = store.card(name, model_id)
    findings = _unnamed(card.findings, texts)
    if findings != card.findings:
        store.rewrite_card(replace(card, findings=findings), name)


def _clean_findings(version: Dataset, texts: Sequence[str]) -> None:
    found = catalog.findings(version)
    findings = _unnamed(found, texts)
    if findings != found:
        write_record(version.customers.parent / "findings.json", findings, tuple[Finding, ...])


def _unnamed(findings: Iterable[Finding], texts: Sequence[str]) -> tuple[Finding, ...]:
    return tuple(replace(finding, what=without_examples(finding.what, texts)) for finding in findings)


def without_examples(words: str, texts: Sequence[str]) -> str:
    """The sentence with the customer's texts taken out of its examples; counts before them stay.

    >>> without_examples("7 ids differ only by zeros, for example '7' and '07'.", ["7"])
    "7 ids differ only by zeros, for example '(erased)' and '07'."
    """
    return EXAMPLE.sub(lambda found: named(texts).sub("(erased)", found[0]), words)


def named(texts: Sequence[str]) -> re.Pattern[str]:
    """Any of the texts as a word of its own, in any case."""
    return re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in texts), re.IGNORECASE)


# ------------------------------------------------------------------------------------------------------ tables

def _clean(version: Dataset, runs: Sequence[Run], customer_id: str) -> tuple[int, int, tuple[str, ...]]:
    """Rows removed, runs that held any, and raw files removed; the version says whom it lacks before it lacks them."""
    def remove(path: Path, columns: Sequence[str]) -> int:
        gone = rows_of(path, columns, customer_id)
        if gone:
            noted.erasure(version, pseudonym(customer_id))
            remove_rows(path, columns, customer_id)
        return gone

    of_runs = [_clean_run(run, remove) for run in runs]
    raw, rows = _clean_raw(version, customer_id, remove)
    rows += sum(remove(path, columns) for path, columns in _tables(version))
    if version.answers is not None and digest(version.answers) != version.answers_sha256:
        noted.answers(version, digest(version.answers))
    return rows + sum(of_runs), sum(map(bool, of_runs)), raw


def _clean_run(run: Run, remove: Callable[[Path, Sequence[str]], int]) -> int:
    """Remove from a run's tables, and let its record count those who are left."""
    kept = [path for table in RUN_TABLES if (path := run.folder / f"{table}.parquet").exists()]
    gone = sum(remove(path, ["customer_id"]) for path in kept)
    left = pq.read_metadata(run.folder / "scores.parquet").num_rows
    if left != run.customers:
        write_record(run.folder / "run.json", replace(run, customers=left))
    return gone


def _clean_raw(version: Dataset, customer_id: str, remove: Callable[[Path, Sequence[str]], int]
               ) -> tuple[tuple[str, ...], int]:
    """The raw files that went as a whole, since they cannot be rewritten safely, and the rows removed from others."""
    gone, rows = [], 0
    for path in catalog.raw(version):
        try:
            rows += remove(path, _safe_columns(path, version))
        except BROKEN:
            if _numbered(version) or mentions(path, customer_id):
                noted.erasure(version, pseudonym(customer_id))
                path.unlink()
                gone.append(path.name)
    return tuple(gone), rows


def _safe_columns(path: Path, version: Dataset) -> list[str]:
    """The raw file's column of ids; EngineError when there is none, or rows cannot be taken out of such a file."""
    column = id_column(column_names(path), _told(version))
    if path.suffix.lower() in WHOLE or not column or _numbered(version):
        raise EngineError(f"{path.name} cannot be rewritten safely.")
    return [column]


def _tables(version: Dataset) -> Iterator[tuple[Path, Sequence[str]]]:
    """The version's Parquet files with their columns of ids, the customers table last."""
    folder = version.customers.parent
    for path in [folder / "rejected.parquet", *sorted(folder.glob("apart/*.parquet"))]:
        yield path, id_columns(column_names(path), _told(version))
    yield from ((path, ["customer_id"]) for path in (version.offers, version.answers, version.events, version.customers)
                if path)


def _told(version: Dataset) -> tuple[str, ...]:
    """The columns of customer ids that the version's mapping told: of the customers' file, and of those beside it."""
    mapping: Any = version.options.get("mapping", {})
    names: Any = version.options.get("names", {})
    beside = (part.get("key", "") for part in mapping.get("files", ()) if part.get("to") == mapping.get("id"))
    return tuple(filter(None, (mapping.get("id", ""), names.get("customer_id", ""), *beside)))


def _numbered(version: Dataset) -> bool:
    """Whether its customers are called by the rows of the file, which would be others without one of them."""
    mapping: Any = version.options.get("mapping", {})
    return mapping.get("rows") == "numbered"
