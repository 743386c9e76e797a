"""Files as nobody should write them are taken or refused with advice: no crash, no hang, nothing half registered.

HOLDFAST_FUZZ says how many are made (300), HOLDFAST_FUZZ_SEED from which seed on (0).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import fuzz

COUNT, FIRST = int(os.environ.get("HOLDFAST_FUZZ", "300")), int(os.environ.get("HOLDFAST_FUZZ_SEED", "0"))


def test_a_seed_makes_the_same_file_again(tmp_path: Path) -> None:
    made = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        made.append({seed: fuzz.make(tmp_path / place, seed).read_bytes() for seed in range(40, 60)
                     if fuzz.make(tmp_path / place, seed).suffix in (".csv", ".txt", ".tsv")})
    assert made[0] == made[1] and len(set(made[0].values())) == len(made[0]) > 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_any_file_is_taken_or_refused_with_advice(home: Path, tmp_path: Path) -> None:
    said: dict[str, int] = {}
    for seed in range(FIRST, FIRST + COUNT):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = fuzz.make(folder, seed)
        try:
            answer = fuzz.onboard(path)
        except (Exception, fuzz.Hangs) as problem:
            raise AssertionError(f"Seed {seed} ({path.name}) broke: {type(problem).__name__}: {problem}") from problem
        said[answer[:40]] = said.get(answer[:40], 0) + 1
        path.unlink()
    assert len(said) > COUNT / 10, "The files are refused for few reasons: they are not spoilt in many ways."


@pytest.mark.slow
@pytest.mark.parametrize(("company", "rows"), [(fuzz._snapshot, 700), (fuzz._lines, 3_000)])
def test_the_same_files_unspoilt_are_taken(home: Path, tmp_path: Path, company: Callable[..., pd.DataFrame], rows: int
                                           ) -> None:
    """So that the refusals above are of what was spoilt."""
    path = tmp_path / "a.csv"
    company(np.random.default_rng(0), rows).to_csv(path, index=False)
    assert fuzz.onboard(path) == "taken"
