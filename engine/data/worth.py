"""What customers are worth where the audit keeps out the very column that says what they pay."""

from __future__ import annotations

from collections.abc import Collection

from engine.schema import Dataset, Finding


def withheld(dataset: Dataset, quarantined: Collection[tuple[str, str]]) -> bool:
    """Whether the column with what customers pay is among the quarantined ones."""
    return dataset.kind == "snapshot" and dataset.money.column in dict(quarantined)


def counted(dataset: Dataset, quarantined: Collection[tuple[str, str]]) -> Dataset:
    """The dataset as value is counted: in months as a customer where its money is quarantined."""
    return dataset.in_months() if withheld(dataset, quarantined) else dataset


def told(dataset: Dataset, quarantined: Collection[tuple[str, str]]) -> tuple[Finding, ...]:
    """The severe finding where the money is quarantined."""
    if not withheld(dataset, quarantined):
        return ()
    name = dataset.money.column
    what = (f"{name} was taken for what customers pay, but the audit keeps it out: what a customer is worth is counted "
            "in months as a customer.")
    fix = ("Name another column with what a customer pays, or keep this one if it was known in time (--overrule "
           f"{name}); until then costs cannot be weighed against value.")
    return (Finding("severe", "money", what, fix),)
