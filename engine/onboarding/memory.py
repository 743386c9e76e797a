"""What is kept of an onboarding beside the dataset: the mapping, and what the next file is compared with."""

from __future__ import annotations

from typing import Any

from engine import files
from engine.catalog import dataset_folder
from engine.data.adapters import mapping as mappings

MAPPING, PORTRAIT = "mapping.toml", "portrait.json"


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
