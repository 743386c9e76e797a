"""Datasets and their versions, and scoring runs: folders of Parquet with one small record each.

    data/<dataset>/current                       the version in use
    data/<dataset>/<version>/                    dataset.json, customers.parquet, events.parquet, offers.parquet,
                                                 answers.parquet (who left, frozen), findings.json,
                                                 rejected.parquet, raw/ (the sources as they came),
                                                 apart/ (a demo's truth; no part of the pipeline reads it)
    data/<dataset>/runs/current                  the run in use
    data/<dataset>/runs/<run_id>/                run.json, scores.parquet, reasons.parquet,
                                                 features.parquet (what the scores rest on, for comparison),
                                                 known.parquet (the company's own columns but for names and
                                                 addresses, in the scores' order: questions need no join by id)

Only receipt.json, in either folder, knows the clock and the actor; all else is the same bytes for the same input. A
file that neither says nor is told (--as-of) when it was drawn is taken to be of today: that day is part of the input.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from engine import files
from engine.errors import DataError, EngineError
from engine.files import home, publish, read_record, short_hash, write_frame, write_record, write_text, writing
from engine.schema import CONTACT, REASONS, SCORES, Actor, Dataset, Finding, Reading, Table

if TYPE_CHECKING:
    import pandas as pd

SCORING = 4  # one more whenever the same model and data would be given other scores
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RESERVED = frozenset({"playbooks"})
TABLES = ("customers", "events", "offers", "answers")


@dataclass(frozen=True)
class Receipt:
    """When something was put here (naive UTC), and by whom."""

    at: datetime
    actor: Actor


@dataclass(frozen=True)
class Run:
    """One scoring: which version of which data, by which model, knowing what was known at `as_of`.

    looks_back: the model has learned from what came after `as_of`: its scores there are no forecast made at the time.
    """

    run_id: str
    dataset: str
    version: str
    model_id: str
    as_of: datetime
    customers: int
    synthetic: bool
    looks_back: bool = False

    @staticmethod
    def of(dataset: Dataset, model_id: str, as_of: datetime, customers: int, rules: str = "",
           looks_back: bool = False) -> Run:
        """The run with the id that its dataset version, model, moment and rules for action give it."""
        run_id = short_hash(dataset.name, dataset.version, model_id, as_of.isoformat(), rules, SCORING)
        return Run(run_id, dataset.name, dataset.version, model_id, as_of, customers, dataset.synthetic, looks_back)

    @property
    def folder(self) -> Path:
        """Where its tables are."""
        return _runs_folder(self.dataset) / self.run_id

    def scores(self) -> pd.DataFrame:
        """The SCORES table, one row per customer."""
        return _frame(self.folder / "scores.parquet")

    def reasons(self) -> pd.DataFrame:
        """The REASONS table, one row per customer and rank."""
        return _frame(self.folder / "reasons.parquet")


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def data_home() -> Path:
    """The folder of all datasets."""
    return home() / "data"


def decided_restore() -> Path:
    """Where a restore lies that was decided and has not been carried out yet."""
    return data_home() / ".restore"


def erased_since() -> Path:
    """Where it stands who is to be erased again after a restore."""
    return data_home() / ".to-erase.json"


def dataset_folder(name: str) -> Path:
    """The dataset's folder, there or not; refuses names that are no plain names.

    >>> dataset_folder("../etc")
    Traceback (most recent call last):
    engine.errors.EngineError: '../etc' cannot name a dataset. Use up to 64 of a-z, 0-9, - and _, beginning with a \
letter or digit.
    """
    if not NAME.fullmatch(name):
        raise EngineError(f"{name[:80]!r} cannot name a dataset. Use up to 64 of a-z, 0-9, - and _, beginning with a "
                          "letter or digit.")
    if name in RESERVED:
        raise EngineError(f"{name!r} is Holdfast's own folder. Choose another name for the dataset.")
    return data_home() / name


def check_id(kind: str, value: str) -> str:
    """The id if it is a plain one, so that no path can leave its folder."""
    if not ID.fullmatch(value):
        raise EngineError(f"{value[:80]!r} is no {kind}. Copy it from the list that Holdfast prints.")
    return value


def staging(dataset_name: str) -> AbstractContextManager[Path]:
    """An empty folder in which an adapter writes the dataset's tables; gone at the end unless registered."""
    return files.staging(dataset_folder(dataset_name))


def register(reading: Reading, staged: Path, sources: Sequence[Path], *, actor: Actor, now: datetime,
             apart: Mapping[str, Path] | None = None, in_use: bool = True) -> Dataset:
    """Make the staged tables a version of their dataset, and the current one. A version there already stays as it is.

    Args:
        reading: what the adapter returned; its tables lie in `staged`.
        sources: the raw files, copied to raw/ and held against the hashes of what was read.
        apart: files that the pipeline must not read, such as a demo's truth, by name.
        in_use: whether it becomes the current version now, or only once `use` is called.
    """
    dataset = reading.dataset
    folder = _version_folder(dataset.name, dataset.version)
    if not folder.exists():
        with writing(staged):
            _keep_sources(dataset, sources, staged / "raw")
            for name, path in (apart or {}).items():
                files.copy_whole(path, staged / "apart" / f"{check_id('name', name)}{path.suffix}")
            _describe(reading, staged)
            write_record(staged / "receipt.json", Receipt(now, actor))
        publish(staged, folder)
    if in_use:
        use(dataset)
    return _load(folder)


def use(dataset: Dataset) -> None:
    """Make a registered version the dataset's current one."""
    write_text(dataset_folder(dataset.name) / "current", dataset.version + "\n")


def _keep_sources(dataset: Dataset, sources: Sequence[Path], raw: Path) -> None:
    """Copy the sources; what changed between reading and copying is refused, for the tables would not belong to it."""
    kept = set()
    for number, source in enumerate(sources, start=1):
        taken = (raw / source.name).exists()
        kept.add(files.copy_whole(source, raw / (f"{number}-{source.name}" if taken else source.name)))
    changed = [source.name for source in dataset.sources if source.sha256 not in kept]
    if changed:
        raise EngineError(f"{', '.join(changed)} changed while it was read. Wait until it is complete, then run again.")


def _describe(reading: Reading, staged: Path) -> None:
    """Write what is known of the tables beside them; paths are relative, so that the home can move."""
    where = {name: path.relative_to(staged) for name in TABLES if (path := getattr(reading.dataset, name)) is not None}
    write_record(staged / "dataset.json", replace(reading.dataset, **where))
    write_record(staged / "findings.json", reading.findings, tuple[Finding, ...])
    _keep_rejected(reading.refused, staged / "rejected.parquet")


def _keep_rejected(refused: pd.DataFrame | Path, path: Path) -> None:
    if not isinstance(refused, Path):
        text = {name: "string" for name in refused if refused[name].dtype == object}
        write_frame(path, refused.astype(text))
    elif refused != path:
        files.copy_whole(refused, path)


def _load(folder: Path) -> Dataset:
    """The version as it is used: in months where its money is withheld."""
    record: Dataset = read_record(folder / "dataset.json", Dataset)
    where = {name: folder / path for name in TABLES if (path := getattr(record, name)) is not None}
    found = replace(record, **where)
    return found.in_months() if found.money_withheld else found


def dataset(name: str, version: str | None = None) -> Dataset:
    """The dataset's current version, or the one given."""
    folder = dataset_folder(name)
    version = version or _pointed(folder / "current")
    if version is None:
        known = ", ".join(_names()) or "none yet"
        raise EngineError(f"There is no dataset {name!r} (there are: {known}). Make it with: "
                          f"python -m engine run --source FILE --name {name}.")
    path = _version_folder(name, version)
    if not (path / "dataset.json").exists():
        raise EngineError(f"Dataset {name} has no version {version!r}. Choose one of: {', '.join(versions(name))}.")
    return _load(path)


def datasets() -> list[Dataset]:
    """Every dataset's current version, by name; those that cannot be read are told by `aside`."""
    found = [_readable(name) for name in _names()]
    return [dataset for dataset in found if isinstance(dataset, Dataset)]


def aside() -> dict[str, str]:
    """By name, the folders that are no dataset in use, and why: damaged, or never used, since nothing was learned."""
    found = {name: _readable(name) for name in _names()}
    damaged = {name: why for name, why in found.items() if isinstance(why, str)}
    left = [path for path in data_home().glob("*") if NAME.fullmatch(path.name) and path.name not in found]
    unused = {path.name: "Its files were read, but nothing was learned from them." for path in left
              if any(path.glob("[!.]*/dataset.json"))}
    return dict(sorted({**damaged, **unused}.items()))


def discard_unused(name: str) -> bool:
    """Remove what was read of a dataset that never came into use; whether there was any. For whoever holds its lock."""
    folder = dataset_folder(name)
    if (folder / "current").exists():
        return False
    read = [path for path in folder.glob("[!.]*") if path.is_dir()]
    for path in read:
        shutil.rmtree(path)
    return bool(read)


def _readable(name: str) -> Dataset | str:
    """The dataset, or why it cannot be read; one that vanishes at this very moment counts as the latter."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = dataset(name)
        pq.read_metadata(found.customers)
        runs(name)
    except EngineError as problem:
        return str(problem)
    except (OSError, pa.ArrowException):
        folder = files.from_home(dataset_folder(name))
        return f"A file of {folder} is missing or damaged. Restore it from a backup, or run again."
    return found


def _names() -> list[str]:
    folders = data_home().iterdir() if data_home().is_dir() else ()
    return sorted(path.name for path in folders if NAME.fullmatch(path.name) and (path / "current").is_file())


def versions(name: str) -> list[str]:
    """The dataset's versions, the first registered first."""
    records = dataset_folder(name).glob("*/dataset.json")
    return [folder.name for folder in sorted((path.parent for path in records if ID.fullmatch(path.parent.name)),
                                             key=_registered)]


def with_offers(known: Dataset) -> Dataset | None:
    """The version itself where it holds past offers, or else the last one before it that does; None where none does.

    What was tried by chance is the company's evidence, though next month's files need not repeat it.
    """
    if known.offers is not None:
        return known
    before = takewhile(lambda version: version != known.version, versions(known.name))
    found = [older for version in before if (older := dataset(known.name, version)).offers is not None]
    return found[-1] if found else None


def _registered(folder: Path) -> tuple[datetime, str]:
    return receipt(folder).at, folder.name


def receipt(folder: Path) -> Receipt:
    """Who put this version or run here, and when."""
    record: Receipt = read_record(folder / "receipt.json", Receipt)
    return record


def findings(dataset: Dataset) -> tuple[Finding, ...]:
    """What the adapter found in the sources of this version."""
    record: tuple[Finding, ...] = read_record(folder_of(dataset) / "findings.json", tuple[Finding, ...])
    return record


def rejected(dataset: Dataset) -> pd.DataFrame:
    """The rows that could not be taken, as text, each with its source, row and reason."""
    return _frame(rejected_file(dataset))


def rejected_file(dataset: Dataset) -> Path:
    """The Parquet file of the rows that could not be taken, which may be more than memory holds."""
    return folder_of(dataset) / "rejected.parquet"


def raw(dataset: Dataset) -> list[Path]:
    """The sources as they came."""
    return sorted((folder_of(dataset) / "raw").iterdir())


def apart(dataset: Dataset, name: str) -> Path:
    """A file kept apart, such as a demo's "truth": for measuring the pipeline, never for it."""
    found = sorted((folder_of(dataset) / "apart").glob(f"{check_id('name', name)}.*"))
    if not found:
        raise EngineError(f"Dataset {dataset.name} keeps no {name} apart: only demo companies have a known truth.")
    return found[0]


def save_run(run: Run, scores: pd.DataFrame, reasons: pd.DataFrame, features: pd.DataFrame, *, actor: Actor,
             now: datetime, in_use: bool = True) -> Run:
    """Keep a scoring run, whole or not at all. A run there already stays as it is.

    Args:
        features: what the scores rest on, indexed by customer_id.
        in_use: whether it becomes the current run; one that looks back does not.
    """
    _check_rows(run, scores, SCORES)
    _check_rows(run, reasons, REASONS)
    if not (run.folder / "run.json").exists():
        with files.staging(run.folder.parent) as staged:
            write_frame(staged / "scores.parquet", scores[SCORES.names])
            write_frame(staged / "reasons.parquet", reasons[REASONS.names])
            write_frame(staged / "features.parquet", features.rename_axis("customer_id").reset_index())
            write_known(staged, run)
            write_record(staged / "run.json", run)
            write_record(staged / "receipt.json", Receipt(now, actor))
            publish(staged, run.folder)
    if in_use:
        use_run(run)
    return run


def write_known(staged: Path, run: Run) -> None:
    """Write what the company knew of those whose scores lie in the folder: `known.parquet`, row by row beside them."""
    import duckdb

    customers = dataset(run.dataset, run.version).customers
    hidden = [column.name for column in CONTACT if column.kind == "text"]
    with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as connection:
        names = connection.read_parquet(str(customers)).columns
        wanted = ", ".join(f'known."{name}"' for name in names if name not in hidden)
        connection.sql(f"SELECT {wanted} FROM read_parquet(?, file_row_number = true) AS scored "
                       "JOIN read_parquet(?) AS known USING (customer_id) ORDER BY scored.file_row_number",
                       params=[str(staged / "scores.parquet"), str(customers)],
                       ).write_parquet(str(staged / "known.parquet"), compression="zstd")


def use_run(run: Run) -> None:
    """Make a kept scoring run the dataset's current one."""
    write_text(run.folder.parent / "current", run.run_id + "\n")


def _check_rows(run: Run, frame: pd.DataFrame, table: Table) -> None:
    """Rows that break the table's contract never reach the disk; rows of another run are a bug."""
    errors = [finding for finding in table.validate(frame) if finding.severity == "error"]
    if errors:
        raise DataError(errors)
    assert (frame["run_id"] == run.run_id).all(), f"{table.name} holds rows of another run than {run.run_id}."
    assert table is not SCORES or len(frame) == run.customers, f"Run {run.run_id} speaks of {run.customers} customers."


def run(dataset: str, run_id: str | None = None) -> Run:
    """The dataset's current scoring run, or the one given."""
    run_id = run_id or _pointed(_runs_folder(dataset) / "current")
    if run_id is None:
        raise EngineError(f"Dataset {dataset} has not been scored. Score it with: python -m engine run.")
    path = _runs_folder(dataset) / check_id("run", run_id) / "run.json"
    if not path.exists():
        known = ", ".join(run.run_id for run in runs(dataset)) or "none"
        raise EngineError(f"Dataset {dataset} has no run {run_id!r}. Its runs: {known}.")
    record: Run = read_record(path, Run)
    return record


def is_in_use(run: Run) -> bool:
    """Whether it is the dataset's current run."""
    return _pointed(_runs_folder(run.dataset) / "current") == run.run_id


def runs(dataset: str) -> list[Run]:
    """The dataset's scoring runs in order of as_of, and within one moment in the order they were made."""
    found = {record: receipt(path.parent).at for path, record in _read_runs(dataset)}
    return sorted(found, key=lambda run: (run.as_of, found[run], run.run_id))


def _read_runs(dataset: str) -> Iterator[tuple[Path, Run]]:
    for path in _runs_folder(dataset).glob("*/run.json"):
        if ID.fullmatch(path.parent.name):
            yield path, read_record(path, Run)


def earlier(run: Run) -> list[Run]:
    """The runs that knew less, the oldest first, one per moment: the run's own model's, or else the last one made.

    A challenger that waits in staging scores the same moments, and is not what a customer moved from.
    """
    found = sorted((other for other in runs(run.dataset) if other.as_of < run.as_of),
                   key=lambda other: (other.as_of, other.model_id == run.model_id))
    return list({other.as_of: other for other in found}.values())


def previous(run: Run) -> Run | None:
    """The latest run that knew less: of an earlier as_of; what customers moved from. None for the first."""
    before = earlier(run)
    return before[-1] if before else None


def _pointed(pointer: Path) -> str | None:
    """What a pointer file points to; None without the file."""
    return pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else None


def _version_folder(name: str, version: str) -> Path:
    return dataset_folder(name) / check_id("version", version)


def folder_of(dataset: Dataset) -> Path:
    """The folder of a registered version."""
    return _version_folder(dataset.name, dataset.version)


def _runs_folder(name: str) -> Path:
    return dataset_folder(name) / "runs"
