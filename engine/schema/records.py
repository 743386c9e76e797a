"""The records that rooms hand to each other. All frozen; all can be written as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.schema.columns import Column
from engine.schema.findings import Finding

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Actor:
    """Who acts, and in which role: "manager", "marketer", "executive", "admin"."""

    id: str
    role: str = "admin"


@dataclass(frozen=True)
class Estimate:
    """A measured figure with its interval: the only way evidence is reported. `n` is what it was measured on.

    >>> print(Estimate(0.8504, 0.846, 0.8548, 7043, "5 x 5 cross-validation"))
    0.850 [0.846, 0.855], n = 7,043
    """

    value: float
    low: float
    high: float
    n: int
    method: str

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}], n = {self.n:,}"


@dataclass(frozen=True)
class Window:
    """What may be known and what is asked.

    Features use `at < as_of`; the label asks about `as_of <= at < as_of + horizon_days`.
    """

    as_of: datetime
    horizon_days: int
    lookback_days: int = 365

    @property
    def ends(self) -> datetime:
        """The first moment after the label's window."""
        return self.as_of + timedelta(days=self.horizon_days)


@dataclass(frozen=True)
class LabelRule:
    """What counts as having left, within which window, and whether the window was given or assumed.

    kind "column": the file says so in `column`, where `positive` means left;
    kind "inactivity": nothing of `events` within `horizon_days` after as_of, asked of whoever had the first of them;
    kind "renewal": the subscription that runs at as_of ends within `horizon_days` less `grace_days`, and no new valid
    one is bought within `grace_days` of its end; who holds one that ends later is not judged;
    kind "ended": the same, but who holds one that ends later has stayed;
    kind "threshold": `column` is above `above` (a label measured at the instant of the features);
    kind "none": the data hold no label, so they can be scored but not learned from.
    leavers: "all", or "voluntary": then whoever left because a payment failed has no answer.
    asked: the answer's name in the company's own file, where it stands in one.
    """

    kind: Literal["column", "inactivity", "renewal", "ended", "threshold", "none"]
    horizon_days: int
    words: str
    column: str = ""
    positive: str = ""
    above: float = 0.0
    assumed: bool = False
    same_instant: bool = False
    events: tuple[str, ...] = ("order",)
    grace_days: int = 0
    leavers: Literal["all", "voluntary"] = "all"
    asked: str = ""

    @property
    def unasked(self) -> str:
        """Who of the customers is not judged, in words; "" where all are: whose answer stands in a column.

        >>> LabelRule("renewal", 60, "", grace_days=30).unasked, LabelRule("column", 91, "").unasked
        ('whose subscription does not run out in the 30 days after', '')
        """
        if self.kind in ("column", "threshold", "none"):
            return ""
        if self.kind == "renewal":
            return f"whose subscription does not run out in the {self.horizon_days - self.grace_days} days after"
        named = "an order" if self.events == ("order",) else "such an event"
        return "without a subscription that runs" if self.kind == "ended" else f"without {named} in the year before"


@dataclass(frozen=True)
class MoneyRule:
    """Which column holds a customer's money and over how long: `per` "month" is a rate, "total" covers `period_days`.

    `column` "" means that money is read from the events; of kind "events" the column is a feature.
    """

    column: str
    per: Literal["month", "total"]
    period_days: float = 365.0
    assumed: bool = False


MONTHS = "months"  # in which value is counted where nobody says what customers pay


@dataclass(frozen=True)
class Source:
    """One raw input, as it was: its name without folder, sha256 of its bytes, and rows read."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Dataset:
    """One version of a company's data. Tables are Parquet files, read when asked for.

    customers: one row per customer, `customer_id` and the adapter's columns, as known at `observed_until`.
    events: the EVENTS table, or None. offers: past offers and their outcomes (OFFER_HISTORY), or None.
    columns: the meaning of each customers column. options: what the adapter was told. erased: the pseudonyms of
    customers erased since: the tables hold them no more, while version and sources still say what was read.
    kind "events": subscriptions and use, known as of any moment, without a rhythm of orders. answers: who left within
    which window, computed once with the version and frozen; answers_sha256: of that file's bytes. money_withheld: the
    model in use may not know the column with what customers pay, so value is counted in months.
    """

    name: str
    version: str
    kind: Literal["snapshot", "orders", "events"]
    adapter: str
    sector: str
    currency: str
    label: LabelRule
    money: MoneyRule
    observed_until: datetime
    synthetic: bool
    customers: Path
    columns: tuple[Column, ...]
    events: Path | None = None
    offers: Path | None = None
    sources: tuple[Source, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    erased: tuple[str, ...] = ()
    answers: Path | None = None
    answers_sha256: str = ""
    money_withheld: bool = False

    def in_months(self) -> Dataset:
        """The same where what customers pay may not be known: value is counted in months as a customer."""
        columns = tuple(column.in_currency(self.currency) for column in self.columns)
        return dataclasses.replace(self, money=MoneyRule("", "month"), currency=MONTHS, columns=columns,
                                   money_withheld=True)

    def frame(self, only: Collection[str] | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The customers table, one row per customer, indexed by customer_id (text).

        only: some customers alone, found without reading the others. columns: the columns wanted; all unless given.
        """
        import pandas as pd

        from engine.schema.stored import rows_of

        wanted = None if columns is None else ["customer_id", *columns]
        path = self.customers
        rows = pd.read_parquet(path, columns=wanted) if only is None else rows_of(path, only, wanted)
        return rows.set_index("customer_id")

    @property
    def worth_in_money(self) -> bool:
        """Whether what a customer is worth is money. Else it is months as a customer, and no cost can be weighed
        against it."""
        return self.kind != "snapshot" or bool(self.money.column)

    @property
    def names(self) -> list[str]:
        """The customers columns' names, without the key."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class Reading:
    """What an adapter returns: the dataset, all findings, and the rows it could not take, each with its reason.

    refused: those rows, or the Parquet file in which they lie: the raw columns as text plus "source", "row" (1 is the
    first row under the header) and "reason".
    """

    dataset: Dataset
    findings: tuple[Finding, ...]
    refused: pd.DataFrame | Path

    @property
    def rejected(self) -> pd.DataFrame:
        """The refused rows, all of them in memory."""
        import pandas as pd

        return pd.read_parquet(self.refused) if isinstance(self.refused, Path) else self.refused

    @property
    def rejections(self) -> int:
        """How many rows were refused."""
        import pyarrow.parquet as pq

        return pq.read_metadata(self.refused).num_rows if isinstance(self.refused, Path) else len(self.refused)


@dataclass(frozen=True)
class Snapshot:
    """Features and answers at one or several moments.

    X: one row per (as_of, customer), features only, category columns as pandas categories, missing as NaN;
       index: MultiIndex (as_of, customer_id).
    y: 1 where the customer left within the window, 0 where not; the index of X.
    windows: the windows asked, in order of as_of. columns: the meaning of each feature.
    """

    X: pd.DataFrame
    y: pd.Series
    windows: tuple[Window, ...]
    columns: tuple[Column, ...]

    @property
    def as_of(self) -> pd.Index:
        """Each row's moment of knowledge."""
        return self.X.index.get_level_values("as_of")

    @property
    def horizon_days(self) -> int:
        """The label window's length [days]; one for all windows."""
        return self.windows[0].horizon_days


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it was learned from, how well it does, and what it must not be used for.

    metrics: by subject ("model", "rule", "random", "ltv"), then by name ("roc_auc", "brier", ...), each an Estimate.
    quarantined: (column, reason), never used. usable: False when the model knows nothing; `notes` says why.
    detail: everything the screens draw: calibration, threshold, curves, benchmark, stress test, importance.
    """

    model_id: str
    dataset: str
    version: str
    algorithm: str
    ltv_algorithm: str
    seed: int
    as_of: datetime
    horizon_days: int
    label: str
    synthetic: bool
    rows: int
    leavers: int
    features: tuple[str, ...]
    quarantined: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    metrics: Mapping[str, Mapping[str, Estimate]]
    threshold: float
    usable: bool
    notes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


def to_json(record: Any) -> str:
    """The record as JSON with sorted keys, the same bytes each time; moments as ISO 8601, missing numbers as null."""
    return json.dumps(jsonable(record), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)


def jsonable(value: Any) -> Any:
    """The value as what JSON can hold.

    >>> jsonable({"when": datetime(2024, 1, 1), "x": float("nan")})
    {'when': '2024-01-01T00:00:00', 'x': None}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat() if value == value else None  # pandas' missing moment equals nothing, not even itself
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
