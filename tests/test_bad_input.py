"""What a user can get wrong: refused with exit code 2 and advice, and nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
MAPPING = """
id = "id"
horizon_days = 90
sector = "telecom"
currency = "EUR"
numeric = ["use", "age"]
[label]
column = "left"
positive = "yes"
[money]
column = "fee"
per = "month"
"""


@pytest.fixture
def company(rng: np.random.Generator) -> pd.DataFrame:
    """An honest little company: 800 customers, 30 % of whom left, more so where use is low."""
    use = rng.normal(size=800)
    left = rng.random(800) < 1 / (1 + np.exp(1 + use))
    return pd.DataFrame({"id": [f"{n:05d}" for n in range(800)], "use": use.round(3), "age": rng.integers(18, 80, 800),
                         "fee": rng.uniform(10, 90, 800).round(2), "left": np.where(left, "yes", "no")})


def engine(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a verb as a user would."""
    return subprocess.run([sys.executable, "-m", "engine", *map(str, arguments)], cwd=ROOT, capture_output=True,
                          text=True, check=False, env=os.environ | {"HOLDFAST_HOME": str(home)})


def run(home: Path, source: Path, mapping: Path) -> subprocess.CompletedProcess[str]:
    return engine(home, "run", "--source", source, "--adapter", "table", "--mapping", mapping, "--name", "acme",
                  "--quick", "--json")


def files_of(home: Path) -> set[str]:
    """Everything a run could have left behind, the state database, locks and empty folders aside."""
    return {str(path.relative_to(home)) for path in home.rglob("*")
            if path.is_file() and ".db" not in path.name and path.name != ".lock"}


def empty(path: Path, _: pd.DataFrame) -> None:
    path.write_bytes(b"")


def header_only(path: Path, company: pd.DataFrame) -> None:
    company.head(0).to_csv(path, index=False)


def giant_cell(path: Path, company: pd.DataFrame) -> None:
    company.assign(id=company["id"].where(company.index > 0, "x" * 10**6)).to_csv(path, index=False)


def duplicate_columns(path: Path, company: pd.DataFrame) -> None:
    company.rename(columns={"age": "use"}).to_csv(path, index=False)


def infinite(path: Path, company: pd.DataFrame) -> None:
    company.assign(fee=company["fee"].where(company.index % 2 == 0, np.inf)).to_csv(path, index=False)


def enormous(path: Path, company: pd.DataFrame) -> None:
    company.assign(fee=company["fee"].where(company.index % 2 == 0, 1e308)).to_csv(path, index=False)


def all_labels_equal(path: Path, company: pd.DataFrame) -> None:
    company.assign(left="no").to_csv(path, index=False)


def few_leavers(path: Path, company: pd.DataFrame) -> None:
    company.assign(left=np.where(company.index < 30, "yes", "no")).to_csv(path, index=False)


def conflicting_ids(path: Path, company: pd.DataFrame) -> None:
    company.assign(id=company["id"].where(company.index > 1, "00001")).to_csv(path, index=False)


def binary(path: Path, _: pd.DataFrame) -> None:
    path.write_bytes(bytes(range(256)) * 50)


@pytest.mark.parametrize(("spoil", "says"), [
    (empty, "empty"), (header_only, "row"), (giant_cell, "character"), (duplicate_columns, "use"),
    (infinite, "fee"), (enormous, "fee"), (all_labels_equal, "left"), (few_leavers, "50"),
    (conflicting_ids, "00001"), (binary, "does not hold text"),
])
@pytest.mark.slow
def test_a_spoilt_file_is_refused_and_nothing_is_left_behind(
    tmp_path: Path, home: Path, company: pd.DataFrame, spoil: Callable[[Path, pd.DataFrame], None], says: str,
) -> None:
    source, mapping = tmp_path / "acme.csv", tmp_path / "acme.toml"
    spoil(source, company)
    mapping.write_text(MAPPING, encoding="utf-8")
    result = run(home, source, mapping)
    assert result.returncode == 2, result.stderr[-2000:]
    assert says in json.loads(result.stdout)["error"]
    assert "Traceback" not in result.stderr
    assert not [name for name in files_of(home) if "runs" in name or name.startswith("models")]
    assert not list(home.rglob(".staging-*"))


@pytest.mark.slow
def test_a_place_that_is_no_file_is_refused(tmp_path: Path, home: Path) -> None:
    mapping = tmp_path / "acme.toml"
    mapping.write_text(MAPPING, encoding="utf-8")
    for source in (tmp_path, tmp_path / "missing.csv"):
        result = run(home, source, mapping)
        assert result.returncode == 2
        assert source.name in json.loads(result.stdout)["error"]


@pytest.mark.slow
def test_a_truncated_parquet_is_refused(tmp_path: Path, home: Path, company: pd.DataFrame) -> None:
    source, mapping = tmp_path / "acme.parquet", tmp_path / "acme.toml"
    company.to_parquet(source)
    source.write_bytes(source.read_bytes()[:-100])
    mapping.write_text(MAPPING, encoding="utf-8")
    result = run(home, source, mapping)
    assert result.returncode == 2
    assert "acme.parquet" in json.loads(result.stdout)["error"]


@pytest.mark.slow
def test_ids_of_two_types_that_collide_are_refused(tmp_path: Path, home: Path, company: pd.DataFrame) -> None:
    source, mapping = tmp_path / "acme.xlsx", tmp_path / "acme.toml"
    ids: list[object] = list(company["id"])
    ids[0], ids[1] = 7, "7"
    company.astype({"id": object}).assign(id=ids).to_excel(source, index=False)
    mapping.write_text(MAPPING, encoding="utf-8")
    result = run(home, source, mapping)
    assert result.returncode == 2
    assert "7" in json.loads(result.stdout)["error"]


@pytest.mark.slow
def test_a_model_with_a_flipped_byte_is_refused(tmp_path: Path, home: Path, company: pd.DataFrame) -> None:
    source, mapping = tmp_path / "acme.csv", tmp_path / "acme.toml"
    company.to_csv(source, index=False)
    mapping.write_text(MAPPING, encoding="utf-8")
    assert run(home, source, mapping).returncode == 0
    part = sorted((home / "models" / "acme").glob("*/*.joblib"))[0]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.chmod(0o644)
    part.write_bytes(bytes(content))
    result = engine(home, "predict", "--dataset", "acme", "--customer-id", "00007", "--json")
    assert result.returncode == 2
    assert part.name in json.loads(result.stdout)["error"]


@pytest.mark.slow
def test_a_file_that_fits_no_adapter_says_what_each_needs(tmp_path: Path, home: Path) -> None:
    source = tmp_path / "odd.csv"
    source.write_text("a,b\n1,2\n", encoding="utf-8")
    result = engine(home, "run", "--source", source, "--name", "odd", "--json")
    assert result.returncode == 2
    for name in ("telco", "shop_snapshot", "orders", "table"):
        assert name in json.loads(result.stdout)["error"]


@pytest.mark.slow
def test_an_unwritable_home_is_refused(tmp_path: Path, company: pd.DataFrame) -> None:
    home, source, mapping = tmp_path / "home", tmp_path / "acme.csv", tmp_path / "acme.toml"
    home.write_text("I am a file", encoding="utf-8")
    company.to_csv(source, index=False)
    mapping.write_text(MAPPING, encoding="utf-8")
    result = run(home, source, mapping)
    assert result.returncode == 2
    assert "HOLDFAST_HOME" in json.loads(result.stdout)["error"]


@pytest.mark.slow
def test_an_unknown_customer_dataset_or_model_is_refused(home: Path) -> None:
    for arguments in (["predict", "--dataset", "nobody", "--random"], ["models", "--dataset", "nobody"],
                      ["score", "--dataset", "nobody", "--input", "x.csv", "--output", "y.csv"]):
        result = engine(home, *arguments, "--json")
        assert result.returncode == 2, result.stderr
        assert "nobody" in json.loads(result.stdout)["error"]
