"""What a column is: name, kind, unit, range and meaning; and a table of them that can check a frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from engine.schema.findings import Finding
from engine.schema.wording import with_unit

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["id", "text", "category", "number", "count", "flag", "date"]
NUMERIC: frozenset[Kind] = frozenset({"number", "count", "flag"})
TENFOLD, TINY = 10, 0.0005
MONEY = "currency"
AS_IN_FILE = "As in the file"
A_DAY = f"{AS_IN_FILE}, in days"
SCALES = {"share 0..1": (1, "{:.%d%%}"), "share": (1, "{:.%d%%}"), "ratio": (2, "{:.%dg} times"),
          "-1..1": (2, "{:+.%df}")}


@dataclass(frozen=True)
class Column:
    """One column's contract. Units read "months", "currency", "share 0..1"; `low` and `high` are inclusive.

    Features of one `family` say the same thing in several ways (a contract, its length, its renewal): as reasons they
    count together.

    >>> Column("tenure_months", "count", "months", "Months since the contract began", low=0).in_words(12)
    '12 months'
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    label: str = ""
    nullable: bool = True
    family: str = ""

    @property
    def in_own_words(self) -> bool:
        """Whether its name is the company's own, of any language and grammar, and not one of ours.

        >>> Column("kunde_seit", "number", "days", AS_IN_FILE).in_own_words
        True
        """
        return self.meaning.startswith(AS_IN_FILE)

    @property
    def title(self) -> str:
        """The column's name as a person reads it: "Monthly charges"."""
        return self.label or self.name.replace("_", " ").capitalize()

    def in_words(self, value: object, more: int = 0) -> str:
        """The value with its unit, short: "12 months", "26.5 %", "Fiber optic", "unknown" when missing; with that many
        `more` digits where short ones say too little.

        >>> Column("rate", "number", "share 0..1", "Share of carts abandoned").in_words(0.265)
        '26.5 %'
        >>> Column("pause", "number", "ratio", "Pause against the usual gap").in_words(123.4)
        '123 times'
        >>> Column("pause", "number", "days", "Time since the last order").in_words(41.37)
        '41 days'
        >>> Column("skips", "number", "", "").in_words(0.1372), Column("skips", "number", "", "").in_words(0.1372, 1)
        ('0.14', '0.137')
        """
        import pandas as pd

        if value is None or pd.isna(value):  # type: ignore[call-overload]
            return "unknown"
        if self.kind == "flag":
            return "yes" if value else "no"
        if self.kind not in NUMERIC:
            return str(value)
        number = float(value)  # type: ignore[arg-type]
        if self.unit == "ratio" and abs(number) >= TENFOLD:
            return f"{number:,.{more}f} times"
        if self.unit in SCALES:
            digits, scale = SCALES[self.unit]
            return (scale % (digits + more)).format(number if abs(number) >= TINY or more else 0.0).replace("%", " %")
        unit = self.unit.removesuffix("s") if number == 1 else self.unit
        whole = number == round(number) or abs(number) >= 100 or (self.unit == "days" and abs(number) >= 1)
        digits = 0 if whole else 1 if self.kind == "count" or self.unit == "days" else 2
        return with_unit(number, digits + (0 if number == round(number) else more), unit)

    def in_currency(self, currency: str) -> Column:
        """The column with the company's own currency as its unit.

        >>> Column("bill", "number", "currency per month", "").in_currency("EUR").in_words(7.5)
        '€7.50 per month'
        >>> Column("bill", "number", "currency per month", "").in_currency("").unit
        'per month'
        """
        return replace(self, unit=" ".join(self.unit.replace(MONEY, currency).split()))


@dataclass(frozen=True)
class Table:
    """A frame's contract: its key and its columns in order."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    holds: str = ""

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        return self.by_name[name]

    @property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def names(self) -> list[str]:
        """The columns' names in order."""
        return [column.name for column in self.columns]

    def validate(self, frame: pd.DataFrame) -> list[Finding]:
        """Every way in which the frame breaks this contract: missing columns, repeated keys, values out of range.

        >>> import pandas as pd
        >>> table = Table("t", ("id",), (Column("id", "id", "", "who"), Column("p", "number", "share 0..1", "p", 0, 1)))
        >>> [finding.what for finding in table.validate(pd.DataFrame({"id": ["a", "a"], "p": [0.5, 1.5]}))]
        ['2 rows repeat a key.', '1 value is outside 0..1, for example 1.5.']
        """
        missing = [name for name in self.names if name not in frame]
        if missing:
            what = f"columns are missing: {', '.join(missing)}."
            return [Finding("error", self.name, what, "Write the table with all its columns.", len(frame))]
        return [*self._repeated_keys(frame), *(f for column in self for f in out_of_range(column, frame[column.name]))]

    def _repeated_keys(self, frame: pd.DataFrame) -> Iterator[Finding]:
        repeated = int(frame.duplicated(list(self.key), keep=False).sum())
        if repeated:
            yield Finding("error", f"{self.name}.{'+'.join(self.key)}", f"{repeated} rows repeat a key.",
                          "Keep one row per key.", repeated)


def out_of_range(column: Column, values: pd.Series) -> Iterator[Finding]:
    """A finding when values lie outside the column's range or are infinite; missing values pass unless forbidden."""
    import numpy as np
    import pandas as pd

    if not column.nullable and values.isna().any():
        count = int(values.isna().sum())
        yield Finding("error", column.name, f"{plural(count, 'value')} missing.", "Fill them or drop the rows.", count)
    if column.kind not in NUMERIC:
        return
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    bad = numbers.notna() & ~(numbers.between(column.low, column.high) & np.isfinite(numbers))
    if bad.any():
        count, example = int(bad.sum()), numbers[bad].iloc[0]
        what = f"{plural(count, 'value is', 'values are')} outside {bounds(column)}, for example {example:g}."
        yield Finding("error", column.name, what, "Correct the values at the source.", count)


def bounds(column: Column) -> str:
    """The column's range as text: "0..1", "0 or more".

    >>> bounds(Column("x", "number", "", "", low=0))
    '0 or more'
    """
    if math.isinf(column.high):
        return "the finite numbers" if math.isinf(column.low) else f"{column.low:g} or more"
    return f"{column.low:g}..{column.high:g}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """The count with its noun.

    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def in_families(columns: Iterable[Column], families: Mapping[str, Iterable[str]]) -> tuple[Column, ...]:
    """The columns, each told to which family it belongs; those of no family stay alone.

    >>> told = in_families([Column("a", "flag", "", ""), Column("b", "flag", "", "")], {"letters": "a"})
    >>> [column.family for column in told]
    ['letters', '']
    """
    member = {name: family for family, names in families.items() for name in names}
    return tuple(replace(column, family=member.get(column.name, "")) for column in columns)


def select(columns: Iterable[Column], names: Iterable[str]) -> tuple[Column, ...]:
    """The columns of those names, in the order of the names."""
    known = {column.name: column for column in columns}
    return tuple(known[name] for name in names)
