"""One measured piece of bench_scale as a process of its own: prints CPU seconds, peak memory and totals as JSON.

    python -m benchmarks.scale_child WAY EVENTS_FILE FOLDER

SHARED are features that each way computes; `whole` computes all of the engine's, in parts.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

MOMENTS = [datetime(2024, 1, 1), datetime(2024, 4, 1), datetime(2024, 7, 1), datetime(2024, 10, 1)]
WINDOWS = (7, 30, 90, 180, 365)
HORIZON_DAYS, LOOKBACK_DAYS, DAY = 90, 365, 86_400
SHARED = ("recency_days", "tenure_days", "orders", "spend", "items",
          *(f"{what}_{days}d" for days in WINDOWS for what in ("orders", "spend", "items")),
          "returns_365d", "sessions", "sessions_30d", "sessions_90d", "session_recency_days")


def whole(events: Path, folder: Path) -> None:
    """Every feature of the engine, in parts, as `python -m engine features` does."""
    from engine.data.features.parts import features_in_parts

    features_in_parts(dataset_of(events), MOMENTS, folder / "parts", part=_told)


def at_once(events: Path, folder: Path) -> None:
    """Every feature of the engine, all customers at once."""
    from engine.data.features import features_at

    features_at(dataset_of(events), MOMENTS).reset_index().to_parquet(folder / "features-0.parquet")


def ours(events: Path, folder: Path) -> None:
    """The shared features by the engine's expression, in parts: what nobody asks for, DuckDB does not compute."""
    from engine.data.features.happened import happened
    from engine.data.features.orders import query
    from engine.data.features.parts import customers_in_parts

    asked = query(events, MOMENTS, horizon_days=HORIZON_DAYS, lookback_days=LOOKBACK_DAYS)
    text = f"SELECT as_of, customer_id, {', '.join(SHARED)} FROM ({asked.sql('duckdb')})"
    for number, some in enumerate(customers_in_parts(dataset_of(events))):
        with happened(events, some.to_pylist()) as connection:
            connection.register("spine", asked.spine)
            target = folder / f"features-{number}.parquet"
            connection.execute(f"COPY ({text}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def pandas(events: Path, folder: Path) -> None:
    """The shared features by pandas: lines to orders once, then one pass per moment."""
    lines = pd.read_parquet(events, columns=["customer_id", "at", "kind", "group_id", "amount", "quantity"])
    by = ["customer_id", "kind", "group_id"]
    rows = lines.groupby(by, sort=False).agg(at=("at", "min"), amount=("amount", "sum"), quantity=("quantity", "sum"))
    rows = rows.reset_index().drop(columns="group_id")
    del lines
    pd.concat([_by_pandas(rows, moment) for moment in MOMENTS]).to_parquet(folder / "features-0.parquet")


def _by_pandas(rows: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    seen = rows[rows["at"] < moment]
    age = (moment - seen["at"]).dt.total_seconds() / DAY
    order, visit = seen["kind"] == "order", seen["kind"] == "session"
    columns = {"orders": order, "spend": seen["amount"].where(order, 0.0), "items": seen["quantity"].where(order, 0.0)}
    for days in WINDOWS:
        within = order & (age <= days)
        columns |= {f"orders_{days}d": within, f"spend_{days}d": seen["amount"].where(within, 0.0),
                    f"items_{days}d": seen["quantity"].where(within, 0.0)}
    columns |= {"returns_365d": (seen["kind"] == "return") & (age <= 365), "sessions": visit,
                "sessions_30d": visit & (age <= 30), "sessions_90d": visit & (age <= 90)}
    sums = pd.DataFrame(columns).groupby(seen["customer_id"], sort=True).sum()
    ages = age.where(order).groupby(seen["customer_id"]).agg(["min", "max"])
    made = sums.assign(recency_days=ages["min"], tenure_days=ages["max"],
                       session_recency_days=age.where(visit).groupby(seen["customer_id"]).min(), as_of=moment)
    return made[made["recency_days"] <= LOOKBACK_DAYS].reset_index()


def polars(events: Path, folder: Path) -> None:
    """The shared features by polars' streaming engine, in the same two steps."""
    import polars as pl

    rows = pl.scan_parquet(events).group_by("customer_id", "kind", "group_id").agg(
        pl.col("at").min(), pl.col("amount").sum(), pl.col("quantity").sum())
    order, visit = pl.col("kind") == "order", pl.col("kind") == "session"
    made = []
    for moment in MOMENTS:
        age = (pl.lit(moment) - pl.col("at")).dt.total_microseconds() / 1e6 / DAY
        told = {"recency_days": age.filter(order).min(), "tenure_days": age.filter(order).max(), "orders": order.sum(),
                "spend": pl.col("amount").filter(order).sum(), "items": pl.col("quantity").filter(order).sum()}
        for days in WINDOWS:
            within = order & (age <= days)
            told |= {f"orders_{days}d": within.sum(), f"spend_{days}d": pl.col("amount").filter(within).sum(),
                     f"items_{days}d": pl.col("quantity").filter(within).sum()}
        told |= {"returns_365d": ((pl.col("kind") == "return") & (age <= 365)).sum(), "sessions": visit.sum(),
                 "sessions_30d": (visit & (age <= 30)).sum(), "sessions_90d": (visit & (age <= 90)).sum(),
                 "session_recency_days": age.filter(visit).min()}
        seen = rows.filter(pl.col("at") < moment).group_by("customer_id").agg(**told)
        made.append(seen.filter(pl.col("recency_days") <= LOOKBACK_DAYS).with_columns(as_of=pl.lit(moment)))
    pl.concat(made).sink_parquet(folder / "features-0.parquet", engine="streaming")


WAYS: dict[str, Callable[[Path, Path], None]] = {"whole": whole, "at_once": at_once, "ours": ours, "pandas": pandas,
                                                 "polars": polars}


def dataset_of(events: Path) -> Any:
    """The events as a dataset of orders; its customers lie beside them."""
    from engine.schema import Dataset, LabelRule, MoneyRule

    return Dataset("scale", "0" * 12, "orders", "orders", "ecommerce", "EUR",
                   LabelRule("inactivity", HORIZON_DAYS, f"no order within {HORIZON_DAYS} days"),
                   MoneyRule("", "total"), datetime(2025, 1, 1), True, events.with_name("customers.parquet"), (),
                   events)


def _told(done: int, of: int) -> None:
    print(f"    part {done} of {of}", file=sys.stderr, flush=True)


def totals(folder: Path) -> dict[str, float]:
    """Rows, and sums that every way must agree on."""
    import duckdb

    sums = ", ".join(f"sum({name})" for name in ("orders", "spend", "orders_90d", "spend_90d", "sessions_90d"))
    sql = f"SELECT count(*), {sums}, sum(recency_days) FROM read_parquet('{folder}/**/features-*.parquet')"
    [row] = duckdb.execute(sql).fetchall()
    return {"rows": row[0], "sums": [round(float(value), 1) for value in row[1:]]}


def main(way: str, events: str, folder: str) -> None:
    """Do it, and print what it took."""
    WAYS[way](Path(events), Path(folder))
    used = resource.getrusage(resource.RUSAGE_SELF)
    taken = {"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}
    print(json.dumps(taken | totals(Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
