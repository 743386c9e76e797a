"""Shared fixtures: where the real data are, and an empty home for each test."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.databases import engine, from_a_copy, postgres

if TYPE_CHECKING:
    from engine.insight import Scope

__all__ = ["engine", "from_a_copy", "postgres"]

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
NOW = datetime(2024, 6, 1, 12, 0)
gc.disable()  # while the tests are collected: nothing that is imported then goes away again


def pytest_collection_finish() -> None:
    """What collecting has brought stays: the collector need not look through it again."""
    gc.enable()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Files are asked for, not waited for: no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """The path of a real data file such as "telco_ibm_21/Telco-Customer-Churn.csv"."""

    def find(name: str) -> Path:
        root = os.environ.get("HOLDFAST_REAL_DATA")
        if not root:
            pytest.skip("Set HOLDFAST_REAL_DATA to the folder that holds the real data sets to run this test.")
        path = Path(root).resolve() / name
        assert path.exists(), f"{path} does not exist although HOLDFAST_REAL_DATA is set."
        return path

    return find


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh generator, the same in every test."""
    return np.random.default_rng(20240601)


@pytest.fixture
def now() -> datetime:
    """A fixed moment, naive UTC."""
    return NOW


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty HOLDFAST_HOME."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture(scope="session")
def companies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with both demo companies, small and judged quickly: made once, for tests that only read it.

    Tests that change anything work on a copy: see `own_companies`.
    """
    import engine
    from engine.schema import Actor

    place = tmp_path_factory.mktemp("companies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(place))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        engine.run_demos(seed=0, actor=Actor("ana", "admin"), now=datetime(2025, 7, 2), customers=1_200,
                         settings=engine.Settings(quick=True))
    return place


@pytest.fixture
def read_companies(companies: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOLDFAST_HOME is the home with both demo companies."""
    monkeypatch.setenv("HOLDFAST_HOME", str(companies))
    monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)
    return companies


@pytest.fixture
def own_companies(companies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOLDFAST_HOME is a copy of the home with both demo companies, for this test alone."""
    import shutil

    place = shutil.copytree(companies, tmp_path / "companies")
    monkeypatch.setenv("HOLDFAST_HOME", str(place))
    monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)
    return place


@pytest.fixture(scope="session")
def kept_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the small telecom of tests/desk.py and its run, made once."""
    from tests.desk import desk

    place = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(place))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        desk(NOW, tmp_path_factory.mktemp("desk-source"))
    return place


@pytest.fixture
def own_desk(kept_desk: Path, home: Path) -> Scope:
    """A copy of that home, for this test alone: eight customers whose worklist is known by hand."""
    import shutil

    from engine.insight import scope

    shutil.copytree(kept_desk, home, dirs_exist_ok=True)
    return scope("desk")


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """bcrypt at its lowest cost, for tests that hash a hundred times."""
    import bcrypt

    from ui import passwords

    salt = bcrypt.gensalt
    monkeypatch.setattr(bcrypt, "gensalt", lambda: salt(4))
    passwords._nobodys.cache_clear()
