"""What is kept of an onboarding beside the dataset: the mapping, and what the next file is compared with."""

from __future__ import annotations

from typing import Any

from engine import catalog, files
from engine.catalog import dataset_folder
from engine.data.adapters import mapping as mappings
from engine.errors import EngineError
from engine.prediction import store
from engine.prediction.settings import Settings

MAPPING, PORTRAIT = "mapping.toml", "portrait.json"
SAID = ("mapping", "names", "counted", "currency", "horizon_days", "grace_days", "leavers")


def read_mapping(text: str) -> dict[str, Any]:
    """The mapping that a TOML text says; EngineError with what is missing, unknown or wrong."""
    told = mappings.parsed(text, "on the screen")
    if told.get("adapter", "table") == "table":
        mappings.check(told)
    return told


def kept(name: str) -> dict[str, Any] | None:
    """The mapping that is kept with the dataset; None without one."""
    path = dataset_folder(name) / MAPPING
    return mappings.load(path) if path.is_file() else None


def kept_portrait(name: str) -> dict[str, Any]:
    """What is kept of the file that was read last; empty without one."""
    path = dataset_folder(name) / PORTRAIT
    if not path.is_file():
        return {}
    found: dict[str, Any] = files.read_record(path, dict[str, Any])
    return found


def said_before(name: str) -> tuple[str, dict[str, Any]]:
    """The adapter by which the dataset's current version was read, and what a person told it; ("", {}) without one."""
    known = next((dataset for dataset in catalog.datasets() if dataset.name == name), None)
    if known is None:
        return "", {}
    return known.adapter, {key: known.options[key] for key in SAID if key in known.options}


def settings_before(name: str) -> Settings:
    """How the dataset's model in use was learned, to learn the next in the same way; the defaults without one.

    Not held: which algorithm suited the kind of data, and that it was judged quickly.
    """
    try:
        return Settings.of(store.card(name).settings) if store.current(name) else Settings()
    except EngineError:  # a damaged model says so where it is used; learning anew is the way out
        return Settings()
