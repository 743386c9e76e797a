"""Corrections of events: a rule changes a copy of them; whether that helps is measured before it is kept.

    backfill_transactions   a regular order or payment is overdue although the customer is still active: the usual one
                            is filled in, dated when its absence became evident, its event_id beginning with "imputed-"
    drop_duplicate_orders   an order of the same amounts within an hour of the one before, under another id: dropped
    winsorize_amounts       an amount above ten times the customer's median so far: cut down to that

A rule looks at earlier events alone, so that no feature as of a moment ever rests on what came after it. Answers (who
left) and money are always those of recorded events: what is imputed is evidence, no fact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from engine.data.features.happened import settled
from engine.errors import EngineError, choose
from engine.files import short_hash, writing
from engine.schema import Dataset, Finding, Reading, plural
from engine.schema.stored import read_parquet

IMPUTED = "imputed-"
CORRECTING = 1  # one more whenever the same events and rule would give other events
OPTION = "corrections"


@dataclass(frozen=True)
class Rule:
    """A correction: what it says it does, and the SQL that turns `events` (known up to $until) into corrected ones."""

    name: str
    says: str
    sql: str


@dataclass(frozen=True)
class Changed:
    """What a correction did to the events: how many it added, removed and altered, of how many customers."""

    events: int
    added: int
    removed: int
    altered: int
    customers: int

    @property
    def anything(self) -> bool:
        """Whether it did anything at all."""
        return bool(self.added or self.removed or self.altered)

    def words(self) -> str:
        """What it did, in words.

        >>> Changed(100, 3, 0, 0, 2).words()
        '3 of 100 events added, of 2 customers'
        """
        did = [f"{count:,} {verb}" for count, verb in ((self.added, "added"), (self.removed, "removed"),
                                                       (self.altered, "altered")) if count]
        first = did[0].split(" ") if did else []
        told = [f"{first[0]} of {plural(self.events, 'event')} {first[1]}", *did[1:]] if did else ["nothing to correct"]
        return ", ".join([*told, f"of {plural(self.customers, 'customer')}"] if did else told)


BACKFILL = """
WITH done AS (  -- one row per order or payment
    SELECT customer_id, kind, coalesce(group_id, event_id) AS belongs, min("at") AS "at", sum(amount) AS amount,
           sum(quantity) AS quantity, min(event_id) AS first_id
    FROM events WHERE kind IN ('order', 'payment') GROUP BY ALL
), spaced AS (
    SELECT *, lead("at") OVER own AS next_at, epoch("at") - epoch(lag("at") OVER own) AS gap FROM done
    WINDOW own AS (PARTITION BY customer_id, kind ORDER BY "at", belongs)
), remembered AS (  -- the last six gaps and the last six amounts up to here
    SELECT *, list(gap) FILTER (gap IS NOT NULL) OVER six AS gaps, list(amount) OVER six AS amounts,
           list(quantity) OVER six AS quantities FROM spaced
    WINDOW six AS (PARTITION BY customer_id, kind ORDER BY "at", belongs ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)
), usual AS (
    SELECT *, list_aggregate(gaps, 'median') AS period FROM remembered WHERE len(gaps) >= 3
), due AS (  -- regular: most gaps lie within a quarter of the usual one; overdue a quarter after the usual gap
    SELECT *, "at" + to_seconds(0.75 * period) AS from_at,
           date_trunc('second', "at" + to_seconds(1.25 * period)) AS due_at FROM usual
    WHERE period >= 86400 AND len(list_filter(gaps, lambda g: abs(g - period) <= 0.25 * period)) >= 0.6 * len(gaps)
), absent AS (
    SELECT * FROM due WHERE due_at < $until AND (next_at IS NULL OR next_at > due_at)
), missing AS (  -- the customer did something else around the day, and no payment failed then
    SELECT * FROM absent a
    WHERE EXISTS (FROM events e WHERE e.customer_id = a.customer_id AND e.kind NOT IN ('order', 'payment', 'return',
                  'cancellation', 'payment_failure') AND e."at" >= a.from_at AND e."at" <= a.due_at)
      AND NOT EXISTS (FROM events e WHERE e.customer_id = a.customer_id AND e.kind = 'payment_failure'
                      AND e."at" > a."at" AND e."at" <= a.due_at)
)
SELECT * FROM events
UNION ALL BY NAME
SELECT 'imputed-' || first_id AS event_id, customer_id, due_at AS "at", kind,
       'imputed-' || first_id AS group_id, list_aggregate(amounts, 'median') AS amount,
       list_aggregate(quantities, 'median') AS quantity FROM missing
"""
DUPLICATES = """
WITH ordered AS (
    SELECT customer_id, group_id, min("at") AS "at",
           list_sort(list([coalesce(amount, -1), coalesce(quantity, -1)])) AS lines
    FROM events WHERE kind = 'order' AND group_id IS NOT NULL GROUP BY customer_id, group_id
), beside AS (
    SELECT *, lag("at") OVER own AS before_at, lag(lines) OVER own AS before_lines FROM ordered
    WINDOW own AS (PARTITION BY customer_id ORDER BY "at", group_id)
), twice AS (
    SELECT customer_id, group_id FROM beside
    WHERE lines = before_lines AND epoch("at") - epoch(before_at) <= 3600
)
SELECT * FROM events e WHERE kind <> 'order' OR NOT EXISTS (
    FROM twice t WHERE t.customer_id = e.customer_id AND t.group_id = e.group_id)
"""
WINSORIZE = """
WITH usual AS (
    SELECT *, list(amount) OVER (PARTITION BY customer_id, kind ORDER BY "at", event_id
                                 ROWS BETWEEN 12 PRECEDING AND 1 PRECEDING) AS before FROM events
)
SELECT * EXCLUDE (before) REPLACE (
    CASE WHEN kind IN ('order', 'payment') AND len(before) >= 5 AND list_aggregate(before, 'median') > 0
         THEN least(amount, 10 * list_aggregate(before, 'median')) ELSE amount END AS amount) FROM usual
"""
RULES: Mapping[str, Rule] = {rule.name: rule for rule in (
    Rule("backfill_transactions", "fills in the usual order or payment of regular customers where one is overdue "
         "although they are still active", BACKFILL),
    Rule("drop_duplicate_orders", "drops an order of the same amounts within an hour of the one before", DUPLICATES),
    Rule("winsorize_amounts", "cuts amounts down to ten times the customer's median so far", WINSORIZE),
)}


def correct(events: Path, rule: str, into: Path, until: datetime) -> Changed:
    """Write the events as the rule corrects them, sorted by customer and time; returns what it did.

    until: the moment up to which the events are known; nothing is imputed at or after it.
    """
    chosen = choose("correction", rule, RULES)
    with writing(into), settled(duckdb.connect()) as connection:
        connection.execute(f"CREATE VIEW events AS FROM {read_parquet(events)}")
        query = chosen.sql.replace("$until", f"TIMESTAMP '{until:%Y-%m-%d %H:%M:%S}'")
        connection.execute(f"CREATE TABLE corrected AS {query}")
        columns = ", ".join(f'"{name}"' for (name, *_) in connection.execute("DESCRIBE events").fetchall())
        target = str(into).replace("'", "''")
        connection.execute(f"COPY (SELECT {columns} FROM corrected ORDER BY customer_id, \"at\", event_id) TO "
                           f"'{target}' (FORMAT parquet, COMPRESSION zstd)")
        [(total, added, removed, altered, customers)] = connection.execute(
            "SELECT (SELECT count(*) FROM events), count(*) FILTER (e.event_id IS NULL), "
            "count(*) FILTER (c.event_id IS NULL), count(*) FILTER (e.amount <> c.amount), "
            "count(DISTINCT coalesce(e.customer_id, c.customer_id)) FILTER (e.event_id IS NULL OR c.event_id IS NULL "
            "OR e.amount <> c.amount) FROM events e FULL JOIN corrected c USING (event_id)").fetchall()
    return Changed(total, added, removed, altered, customers)


def corrected(dataset: Dataset, rule: str, folder: Path) -> tuple[Dataset, Changed]:
    """The dataset with corrected events, written into the folder, and what the rule did to them.

    Raises:
        EngineError: when the dataset has no events, or the rule has been applied to it already.
    """
    if dataset.events is None:
        raise EngineError(f"{dataset.name} has no events, so there is nothing to correct. Bring its orders or payments "
                          "as a further --source file.")
    if rule in dataset.options.get(OPTION, ()):
        raise EngineError(f"Version {dataset.version} of {dataset.name} is corrected by {rule} already.")
    path = folder / f"{rule}.parquet"
    changed = correct(dataset.events, rule, path, dataset.observed_until)
    told = (*dataset.options.get(OPTION, ()), rule)
    return replace(dataset, events=path, version=version_after(dataset.version, rule),
                   options={**dataset.options, OPTION: list(told)}), changed


def version_after(version: str, rule: str) -> str:
    """The version that a version becomes by a rule: 12 hexadecimal digits."""
    return short_hash(version, rule, CORRECTING)


def applied(reading: Reading, rules: Sequence[str], folder: Path) -> Reading:
    """A reading with the corrections that are kept for its dataset applied, each with a note of what it did."""
    for rule in rules if reading.dataset.events is not None else ():
        dataset, changed = corrected(reading.dataset, rule, folder)
        assert reading.dataset.events is not None and dataset.events is not None
        dataset.events.replace(reading.dataset.events)
        reading = replace(reading, dataset=replace(dataset, events=reading.dataset.events),
                          findings=(*reading.findings, note(rule, changed)))
    return reading


def note(rule: str, changed: Changed) -> Finding:
    """What a kept correction did, for the findings of the version."""
    return Finding("note", "events", f"Corrected by {rule}, which {RULES[rule].says}: {changed.words()}.",
                   "Kept because it was measured to help: python -m engine correct.", changed.customers)
