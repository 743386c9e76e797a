"""What goes wrong around the data: a full disk at any write, a killed process. The state before stays whole."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from engine import catalog, files, pipeline, state
from engine.data import archives, chunks, databases
from engine.data import parts as parts_of
from engine.data.adapters import spool
from engine.data.demo import DEMOS
from engine.data.sources import sources_home
from engine.errors import EngineError
from engine.schema import Actor
from tests.test_sources import packed

ANA, NOW = Actor("ana", "admin"), datetime(2025, 7, 2)
ROOT = Path(__file__).resolve().parents[1]
UNTIL = {"one": datetime(2025, 5, 1), "two": datetime(2025, 6, 1)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's order lines, events and customers in one archive."""
    folder = tmp_path_factory.mktemp("shop")
    made = DEMOS["demo-shop"].write(folder, 3, 700).sources
    return packed(folder / "shop.zip", {path.name: path.read_bytes() for path in made})


def onboard(shop: Path, when: str) -> str:
    """Onboard the shop as it was known at one of two moments; returns the version."""
    dataset, _ = pipeline.onboard([shop], name="acme", actor=ANA, now=NOW, observed_until=UNTIL[when])
    return dataset.version


def intact(version: str) -> None:
    """The dataset is that version, whole, and nothing of another try is left."""
    assert catalog.versions("acme") == [version] and catalog.dataset("acme").version == version
    dataset = catalog.dataset("acme")
    assert len(dataset.frame()) > 600 and dataset.events is not None
    assert pq.read_metadata(dataset.events).num_rows > 1_000
    assert not list(catalog.dataset_folder("acme").glob(".staging-*")) and not list(sources_home().glob("*"))
    assert [entry.verb for entry in state.audit_log(verb="onboard")] == ["onboard"]


def full(*arguments: Any, **_: Any) -> None:
    """What a system says that has no room left."""
    place = next((str(argument) for argument in arguments if isinstance(argument, (str, Path))), None)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)


WRITES: dict[str, tuple[Any, str]] = {
    "the member of an archive": (archives, "_write"), "a part of the events": (spool.pq, "write_table"),
    "the sorted events": (spool.pq, "ParquetWriter"), "a record": (files, "whole"), "a table": (catalog, "write_frame"),
    "the raw files": (files, "copy_whole"), "the version": (files, "_sync"), "the pointer": (catalog, "write_text"),
}


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_write_leaves_the_state_as_it_was(home: Path, shop: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    version = onboard(shop, "one")
    monkeypatch.setattr(chunks, "WHOLE_BYTES", 0)
    monkeypatch.setattr(parts_of, "BLOCK", 1 << 20)
    for what, (place, name) in WRITES.items():
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            with pytest.raises(EngineError, match=r"full|No space left") as refusal:
                onboard(shop, "two")
            assert "Free" in str(refusal.value), what
        if what == "the pointer":  # the version is whole; only that it is in use could not be written
            assert catalog.dataset("acme").version == version
            continue
        intact(version)
    assert onboard(shop, "two") != version


KILLS = {"while archives are unpacked": "archives._write", "while files are read": "assemble.finish",
         "before the version is there": "catalog.publish", "before it is in use": "catalog.use"}
CODE = """
import os, signal, sys
from datetime import datetime
from engine import catalog, pipeline
from engine.data import archives
from engine.data.adapters import assemble, orders
from engine.schema import Actor

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

place, name = sys.argv[1].split(".")
setattr({"archives": archives, "assemble": orders, "catalog": catalog}[place], name, die)
pipeline.onboard([sys.argv[2]], name="acme", actor=Actor("ana", "admin"), now=datetime(2025, 7, 2),
                 observed_until=datetime(2025, 6, 1))
"""


@pytest.mark.slow
def test_a_killed_onboarding_leaves_the_state_as_it_was(home: Path, shop: Path) -> None:
    version = onboard(shop, "one")
    for when, where in KILLS.items():
        died = subprocess.run([sys.executable, "-c", CODE, where, str(shop)], cwd=ROOT, check=False,
                              env=os.environ | {"HOLDFAST_HOME": str(home)}, capture_output=True)
        assert died.returncode == -signal.SIGKILL, (when, died.stderr.decode()[-500:])
        assert catalog.dataset("acme").version == version and len(catalog.dataset("acme").frame()) > 600
    second = onboard(shop, "two")
    assert catalog.dataset("acme").version == second and {*catalog.versions("acme")} == {version, second}
    assert not list(catalog.dataset_folder("acme").glob(".staging-*")) and not list(sources_home().glob("*"))


def test_a_database_file_that_fills_the_disk_is_told(home: Path, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(tmp_path / "x.sqlite")) as database:
        pd.DataFrame({"a": [1, 2]}).to_sql("t", database, index=False)
    monkeypatch.setattr(databases.pq, "ParquetWriter", full)
    with pytest.raises(EngineError, match="The disk is full"):
        pipeline.onboard([tmp_path / "x.sqlite"], name="acme", actor=ANA, now=NOW)
    assert catalog.datasets() == [] and not list(sources_home().glob("*"))
