"""Names of people and companies are never learned from, however many rows share them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from engine.data.doctor import propose
from engine.data.doctor.looks import look
from engine.data.doctor.recognise import Part

NOW = datetime(2026, 7, 1)
FIRST = ["Ana", "Ben", "Eva", "Kim", "Lena", "Omar"]
LAST = ["Okafor", "Rossi", "Novak", "Silva", "Weber", "Brown", "Kim"]


def use_of(name: str, values: list[str]) -> tuple[Part, list[str], propose.Draft]:
    frame = pd.DataFrame({"customer_id": [f"C{n:04d}" for n in range(len(values))],
                          "plan": ["a", "b"] * (len(values) // 2), name: values})
    draft = propose.of_table(frame, "file", NOW)
    cures = [str(fault.cure.get("cure")) for fault in draft.faults if fault.finding.where == name]
    return next(part for part in (*draft.columns, *draft.parts) if part.column == name), cures, draft


def people(rows: int, rng: np.random.Generator) -> list[str]:
    return [f"{rng.choice(FIRST)} {rng.choice(LAST)}" for _ in range(rows)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Name", "Full name", "Customer name", "Guest Name", "CustomerName", "Contact",
                                  "Contact person", "account_name", "Kundenname", "Nombre completo", "Company"])
@pytest.mark.parametrize("rows", [60, 4000])
def test_names_of_people_are_ignored_with_the_reason(name: str, rows: int, rng: np.random.Generator) -> None:
    part, cures, draft = use_of(name, people(rows, rng))
    assert (part.role, "never learned from" in part.evidence, "common" in cures) == ("ignored", True, False)
    assert name in draft.mapping["ignored"] and name not in draft.mapping["categorical"]


@pytest.mark.parametrize(("name", "values"), [
    ("contact", ["cellular", "telephone", "unknown", "post"]), ("Plan name", [f"Plan {n}" for n in range(20)]),
    ("product_name", [f"Product {n}" for n in range(15)]), ("Name", ["Basic", "Pro", "Max"]),
    ("username_type", ["guest", "own"]), ("company_size", [f"{n} to {n + 9}" for n in range(1, 140, 10)]),
])
def test_words_that_name_nobody_are_learned_from(name: str, values: list[str]) -> None:
    assert use_of(name, values * (1200 // len(values)))[0].role == "categorical"


def test_names_are_text_at_first_sight_in_every_table_that_is_joined(rng: np.random.Generator) -> None:
    assert look(pd.Series(people(4000, rng)), "Name").kind == "text"
    assert look(pd.Series(people(4000, rng)), "Region").kind == "category"
