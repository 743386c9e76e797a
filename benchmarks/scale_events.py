"""Events of a shop at any size, as Parquet: seeded by hashes, so that neither threads nor memory change them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb

EACH = 50
BEGINS = datetime(2022, 1, 1)
SECONDS = 3 * 365 * 86_400
KINDS = (("order", 62), ("return", 66), ("session", 90), ("cart", 95), ("wishlist", 100))  # of 100, cumulated


def write_events(path: Path, events: int, seed: int) -> int:
    """About so many events over three years, 50 to a customer (5 to 95), two lines to an order; returns how many."""
    kind = " ".join(f"WHEN kind_of < {upto} THEN '{name}'" for name, upto in KINDS)
    rows = f"""
        SELECT 'e' || (c * 100 + i) AS event_id, 'c' || lpad(c::VARCHAR, 9, '0') AS customer_id, "at", kind,
               'g' || (c * 100 + i // 2) AS group_id, (hash(c, i, 3, {seed}) % 10000) / 100.0::DOUBLE AS amount,
               (1 + hash(c, i, 4, {seed}) % 5)::DOUBLE AS quantity, 'p' || (hash(c, i, 5, {seed}) % 2000) AS item_id
        FROM (SELECT c, i, CASE {kind} END AS kind,
                     TIMESTAMP '{BEGINS}' + to_seconds((hash(c, i // 2, 1, {seed}) % {SECONDS})::BIGINT) AS "at"
              FROM (SELECT c, i, hash(c, i // 2, 2, {seed}) % 100 AS kind_of
                    FROM (SELECT c, unnest(range(5 + (hash(c, 0, {seed}) % 91)::BIGINT)) AS i
                          FROM range({events // EACH}) AS customers(c))))"""
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        [(count,)] = connection.execute(
            f"COPY ({rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)").fetchall()
    return int(count)


def write_customers(path: Path, events: Path) -> int:
    """The customers of the events, one row each; returns how many."""
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        [(count,)] = connection.execute(
            f"COPY (SELECT customer_id, min(\"at\") AS first_order_at FROM '{events}' GROUP BY 1 ORDER BY 1) "
            f"TO '{path}' (FORMAT parquet, COMPRESSION zstd)").fetchall()
    return int(count)
