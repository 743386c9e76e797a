"""Models on disk: written aside and renamed, hashed, and checked before anything is unpickled.

    models/<dataset>/<model_id>/     <part>.joblib ..., <table>.parquet ..., card.json, MANIFEST.json (sha256 of each
                                     file, and of itself)
    models/<dataset>/production      pointer: the model in use, under it the ones before, newest first
    models/<dataset>/staging         pointer: the model on trial, likewise
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import files
from engine.catalog import check_id, dataset_folder
from engine.errors import EngineError
from engine.files import from_home, publish, read_record, write_bytes, write_frame, write_record, write_text
from engine.schema import ModelCard
from engine.schema.codec import loads

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
PICKLE_PROTOCOL = 5
COMPRESSION = ("zlib", 1)
MANIFEST = "MANIFEST.json"
POINTERS = ("production", "staging")
PART = re.compile(r"[a-z][a-z0-9_]{0,40}")

Bundle = Mapping[str, Any]  # the model's parts by name, such as {"churn": ..., "ltv": ..., "cuts": ...}
Tables = Mapping[str, "pd.DataFrame"]  # what is kept beside the parts and read only when asked for
NO_TABLES: Tables = {}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelRecord:
    """One stored model: which pointers name it, and its card."""

    model_id: str
    production: bool
    staging: bool
    card: ModelCard


@dataclass(frozen=True)
class Manifest:
    """What lies in a model's folder: sha256 by file name, the format, who wrote it, and the sha256 of all that."""

    files: Mapping[str, str]
    format: int
    versions: Mapping[str, str]
    sha256: str = ""

    def text(self) -> str:
        """The manifest as it lies on disk; any other bytes are not it."""
        content = {name: value for name, value in asdict(self).items() if name != "sha256"}
        sealed = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return json.dumps({**content, "sha256": sealed}, sort_keys=True, indent=1) + "\n"


def models_home(home: Path | None = None) -> Path:
    """The folder of all models."""
    return (home or files.home()) / "models"


def save(bundle: Bundle, card: ModelCard, dataset: str, home: Path | None = None, tables: Tables = NO_TABLES) -> str:
    """Keep a model, whole or not at all, under its card's model_id; the same parts and card give the same bytes.

    A sound model of that id stays as it is; a damaged one is replaced.
    """
    folder = _model_folder(dataset, card.model_id, home)
    if _is_sound(folder):
        return card.model_id
    with files.staging(folder.parent) as staged:
        for name, part in bundle.items():
            assert PART.fullmatch(name), f"A model's part cannot be called {name!r}."
            write_bytes(staged / f"{name}.joblib", _pickled(part))
        for name, frame in tables.items():
            assert PART.fullmatch(name), f"A model's table cannot be called {name!r}."
            write_frame(staged / f"{name}.parquet", frame)
        write_record(staged / "card.json", card)
        hashes = {path.name: files.sha256(path) for path in sorted(staged.iterdir())}
        write_text(staged / MANIFEST, Manifest(hashes, FORMAT, versions()).text())
        with files.staging(folder.parent) as aside:
            if folder.exists():
                folder.rename(aside / "damaged")
            publish(staged, folder)
    return card.model_id


def rewrite_card(card: ModelCard, dataset: str, home: Path | None = None) -> None:
    """Put another card in a sound model's place, and the manifest that vouches for it."""
    folder = _model_folder(dataset, card.model_id, home)
    manifest, _ = _verified(folder)
    with files.staging(folder.parent) as staged:
        write_record(staged / "card.json", card)
        hashes = {**manifest.files, "card.json": files.sha256(staged / "card.json")}
        write_text(staged / MANIFEST, Manifest(hashes, FORMAT, manifest.versions).text())
        for name in ("card.json", MANIFEST):
            (staged / name).replace(folder / name)


def load(dataset: str, model_id: str | None = None, home: Path | None = None) -> tuple[Bundle, ModelCard]:
    """A model's parts and card, by id or pointer (None is "production"), unpickled only if no byte has changed."""
    folder = _model_folder(dataset, _resolve(dataset, model_id, home), home)
    manifest, contents = _verified(folder)
    changed = _changed(manifest)
    if changed:
        log.warning("Model %s was written with %s.", folder.name, changed)
    parts = {Path(name).stem: _unpickled(folder / name, content, changed)
             for name, content in contents.items() if name.endswith(".joblib")}
    return parts, _card(contents["card.json"])


def part(dataset: str, model_id: str, name: str, home: Path | None = None) -> Any:
    """One part of a model alone, if no byte of the model has changed; None where it has no such part."""
    folder = _model_folder(dataset, model_id, home)
    manifest, contents = _verified(folder)
    content = contents.get(f"{name}.joblib")
    return None if content is None else _unpickled(folder / f"{name}.joblib", content, _changed(manifest))


def card(dataset: str, model_id: str | None = None, home: Path | None = None) -> ModelCard:
    """A model's card alone, by id or pointer, if none of its files has changed."""
    return _card(_verified(_model_folder(dataset, _resolve(dataset, model_id, home), home))[1]["card.json"])


def table(dataset: str, model_id: str, name: str, home: Path | None = None) -> pd.DataFrame | None:
    """A table kept beside a model's parts, if none of its files has changed; None where it was kept without."""
    import pandas as pd

    content = _verified(_model_folder(dataset, model_id, home))[1].get(f"{name}.parquet")
    return None if content is None else pd.read_parquet(io.BytesIO(content))


def sealed(dataset: str, model_id: str, home: Path | None = None) -> Mapping[str, str]:
    """The sha256 of each of a sound model's files, by name."""
    return _verified(_model_folder(dataset, model_id, home))[0].files


def digests(bundle: Bundle, tables: Tables = NO_TABLES) -> dict[str, str]:
    """The sha256 of each file that these parts and tables would be kept in, by name."""
    with tempfile.TemporaryDirectory() as folder:
        for name, part in bundle.items():
            write_bytes(Path(folder) / f"{name}.joblib", _pickled(part))
        for name, frame in tables.items():
            write_frame(Path(folder) / f"{name}.parquet", frame)
        return {path.name: files.sha256(path) for path in sorted(Path(folder).iterdir())}


def written_with(dataset: str, model_id: str, home: Path | None = None) -> str:
    """The libraries whose version is another now than when a sound model was written, in words; "" for none."""
    return _changed(_verified(_model_folder(dataset, model_id, home))[0])


def _card(content: bytes) -> ModelCard:
    found: ModelCard = loads(ModelCard, content.decode())
    return found


def models(dataset: str, home: Path | None = None) -> list[ModelRecord]:
    """Every model of the dataset, in order of its card's as_of."""
    names = {pointer: current(dataset, pointer, home) for pointer in POINTERS}
    cards = [read_record(path, ModelCard) for path in _folder(dataset, home).glob("[!.]*/card.json")]
    return [ModelRecord(card.model_id, card.model_id == names["production"], card.model_id == names["staging"], card)
            for card in sorted(cards, key=lambda card: (card.as_of, card.model_id))]


def current(dataset: str, pointer: str = "production", home: Path | None = None) -> str | None:
    """The id that a pointer names; None while it names none."""
    stack = _stack(dataset, pointer, home)
    return stack[0] if stack else None


def promote(dataset: str, model_id: str, pointer: str = "production", home: Path | None = None) -> str:
    """Point "production" or "staging" to a sound model, by id or by the other pointer's name; returns its id."""
    stack, model_id = _stack(dataset, pointer, home), _resolve(dataset, model_id, home)
    _verified(_model_folder(dataset, model_id, home))
    if stack[:1] != [model_id]:
        _point(dataset, pointer, [model_id, *stack], home)
    return model_id


def rollback(dataset: str, pointer: str = "production", home: Path | None = None) -> str:
    """Point back to the model before; returns its id."""
    stack = _stack(dataset, pointer, home)
    if len(stack) < 2:
        raise EngineError(f"{dataset} has no {pointer} model before the current one. Promote another one by its id.")
    _verified(_model_folder(dataset, stack[1], home))
    _point(dataset, pointer, stack[1:], home)
    return stack[1]


def stack(dataset: str, pointer: str = "production", home: Path | None = None) -> tuple[str, ...]:
    """The ids that a pointer names and named, the current one first."""
    return tuple(_stack(dataset, pointer, home))


def withdraw(dataset: str, model_id: str, pointer: str = "staging", home: Path | None = None) -> None:
    """Let a pointer name the model no longer, neither now nor as one before; nothing happens where it does not."""
    named = _stack(dataset, pointer, home)
    left = [name for name in named if name != model_id]
    if left == named:
        return
    if left:
        _point(dataset, pointer, left, home)
    else:
        (_folder(dataset, home) / pointer).unlink()


def remove(dataset: str, model_id: str, home: Path | None = None) -> int:
    """Remove a model that no pointer names now, and from what the pointers named before; returns the bytes freed."""
    assert model_id not in {current(dataset, pointer, home) for pointer in POINTERS}, f"{model_id} is in use."
    folder = _model_folder(dataset, model_id, home)
    freed = size(dataset, model_id, home)
    for pointer in POINTERS:
        withdraw(dataset, model_id, pointer, home)
    with files.writing(folder), files.staging(folder.parent) as aside:
        folder.rename(aside / "removed")
    return freed


def size(dataset: str, model_id: str, home: Path | None = None) -> int:
    """How much room a model's files take [bytes]."""
    return sum(path.stat().st_size for path in _model_folder(dataset, model_id, home).iterdir())


def versions() -> dict[str, str]:
    """The versions that a pickled model depends on."""
    python = platform.python_version()
    return {"python": python} | {name: version(name) for name in ("lightgbm", "numpy", "pandas", "scikit-learn")}


def _folder(dataset: str, home: Path | None) -> Path:
    return models_home(home) / dataset_folder(dataset).name


def _model_folder(dataset: str, model_id: str, home: Path | None) -> Path:
    return _folder(dataset, home) / check_id("model", model_id)


def _resolve(dataset: str, model_id: str | None, home: Path | None) -> str:
    """The id behind a pointer's name; an id is itself."""
    if model_id is not None and model_id not in POINTERS:
        return model_id
    pointer = model_id or "production"
    found = current(dataset, pointer, home)
    if found is None:
        raise EngineError(f"{dataset} has no {pointer} model. Train one with: python -m engine run, or promote one.")
    return found


def _stack(dataset: str, pointer: str, home: Path | None) -> list[str]:
    """The ids a pointer names and named, newest first."""
    if pointer not in POINTERS:
        raise EngineError(f"There is no pointer {pointer!r}. Choose one of: {', '.join(POINTERS)}.")
    path = _folder(dataset, home) / pointer
    return path.read_text(encoding="utf-8").split() if path.is_file() else []


def _point(dataset: str, pointer: str, stack: list[str], home: Path | None) -> None:
    write_text(_folder(dataset, home) / pointer, "\n".join(stack) + "\n")


def _is_sound(folder: Path) -> bool:
    try:
        _verified(folder)
    except EngineError:
        return False
    return True


def _verified(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and the contents of the model's files, each held against it."""
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in folder.parent.glob("[!.]*") if path.is_dir())) or "none"
        name = folder.parent.name
        raise EngineError(f"{name} has no model {folder.name!r}. Its models: {known}. Choose one, restore it from a "
                          f"backup, or train again: python -m engine train --dataset {name}.")
    manifest = _manifest(folder)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - {MANIFEST}
    for name in sorted(there ^ set(manifest.files)):
        raise _damaged(folder / name, "is missing" if name in manifest.files else "does not belong to the model")
    contents = {name: (folder / name).read_bytes() for name in manifest.files}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise _damaged(folder / name, "is not what was written")
    return manifest, contents


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise _damaged(path, "is missing")
    manifest: Manifest = read_record(path, Manifest)
    if manifest.format != FORMAT:
        raise EngineError(f"{from_home(path)} has format {manifest.format}, this Holdfast reads {FORMAT}. "
                          "Train the model again.")
    if manifest.text() != path.read_text(encoding="utf-8"):
        raise _damaged(path, "is not what was written")
    return manifest


def _damaged(path: Path, what: str) -> EngineError:
    return EngineError(f"{from_home(path)} {what}: the model is not loaded. Restore {from_home(path.parent)} from a "
                       "backup, roll back to the model before, or train again.")


def _pickled(part: Any) -> bytes:
    import joblib

    stream = io.BytesIO()
    joblib.dump(part, stream, compress=COMPRESSION, protocol=PICKLE_PROTOCOL)
    return stream.getvalue()


def _changed(manifest: Manifest) -> str:
    """The libraries whose version is another than when the model was written."""
    return ", ".join(f"{name} {manifest.versions.get(name)} (now {now})" for name, now in versions().items()
                     if manifest.versions.get(name) != now)


def _unpickled(path: Path, content: bytes, changed: str) -> Any:
    """The part; one that another version of a library wrote and this one cannot read is the user's to train again."""
    import joblib

    try:
        return joblib.load(io.BytesIO(content))
    except (AttributeError, ImportError, TypeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        if not changed:
            raise
        raise EngineError(f"{path} was written with {changed} and cannot be read. Train the model again.") from error
