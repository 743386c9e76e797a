"""What changed between two scoring runs of a dataset: figures, bands and segments, who rose and fell, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from engine import catalog, state
from engine.catalog import Run
from engine.insight.meaning import meaning
from engine.insight.overview import VIP, Standing
from engine.insight.source import Scope, ask
from engine.insight.source import scope as scope_of
from engine.permissions import allow, may
from engine.schema import RISK_BANDS, SEGMENTS, Actor

STEPS_BACK = {"the run before": 0, "a week or more before": 7, "a month or more before": 30}
LONGEST = 12
ROWS_READ = 2_000_000
MOVERS = 10
LEFT = 64
MONEY = ("margin_at_risk", "mean_ltv")


@dataclass(frozen=True)
class Totals:
    """One run's headline: customers still there, expected leavers [customers], margin at risk and mean LTV [currency],
    share of the margin at risk with At-Risk VIPs [0..1], the currency of the run's data ("" where they name none)."""

    as_of: datetime
    customers: int
    leavers: float
    margin_at_risk: float
    mean_ltv: float
    vip_share: float
    currency: str


@dataclass(frozen=True)
class Changes:
    """From the run `than` to the run asked about.

    bands, segments: customers here at both moments, by then (rows) and now (columns). newcomers: only in the later
    run; gone: only in the earlier; left: here then, and known to have left now; back: the other way round.
    mean_change: of the chance to leave of those here at both moments [-1..1], NaN of nobody. risers, fallers: customers
    whose chance rose or fell most (customer_id, segment, then, now, margin_at_risk), None for those who may not see
    single customers. same_model: whether one model judged both.
    """

    than: Run
    bands: pd.DataFrame
    segments: pd.DataFrame
    newcomers: int
    gone: int
    left: int
    back: int
    mean_change: float
    risers: pd.DataFrame | None
    fallers: pd.DataFrame | None
    same_model: bool

    @property
    def stayed(self) -> int:
        """Customers here at both moments."""
        return int(self.bands.to_numpy().sum())

    @property
    def came_and_went(self) -> str:
        """How many came and left; apart from these, of whom the newer data say nothing any more."""
        parts = [f"{self.newcomers:,} came", f"{self.left:,} left"]
        if self.back:
            parts.append(f"{self.back:,} came back")
        if self.gone:
            parts.append(f"{self.gone:,} {'is' if self.gone == 1 else 'are'} in the newer data no more")
        return ", ".join(parts)


def earlier(run: Run) -> dict[str, Run]:
    """The runs worth comparing with, by how far back they lie: the one before, and the nearest at least 7 and 30 days
    earlier. Each run once; empty for the first."""
    before = catalog.earlier(run)
    found: dict[str, Run] = {}
    for words, days in STEPS_BACK.items():
        far = [other for other in before if other.as_of <= run.as_of - timedelta(days=days)]
        if far and far[-1] not in found.values():
            found[words] = far[-1]
    return found


def said_then(run: Run) -> Run | None:
    """The run that was made at the moment, where this one looks back at it; None where it does not, or none was."""
    made = (other for other in catalog.runs(run.dataset) if other.as_of == run.as_of and not other.looks_back)
    return next(made, None) if run.looks_back else None


def history(run: Run) -> list[Run]:
    """The run and those before it, the oldest first, one per moment.

    At most twelve, and of large companies so few that together they hold two million customers, yet two.
    """
    return [*catalog.earlier(run), run][-min(LONGEST, max(ROWS_READ // max(run.customers, 1), 2)):]


def totals_of(stands: Standing, of: Scope) -> Totals:
    """The headline figures of everybody's standing, which are known then without asking again."""
    return Totals(of.run.as_of, stands.customers, stands.leavers.value, stands.margin_at_risk.value, stands.mean_ltv,
                  stands.vip_share, of.dataset.currency)


def course(runs: Sequence[Totals], name: str) -> list[float]:
    """A headline figure of the runs so far, the oldest first; money only of those in the last one's currency.

    >>> then, now = (Totals(datetime(2026, 1, 1), 9, 3.0, 70.0, 8.0, 0.5, code) for code in ("USD", "EUR"))
    >>> course([then, now], "leavers"), course([then, now], "mean_ltv")
    ([3.0, 3.0], [8.0])
    """
    return [getattr(each, name) for each in runs if name not in MONEY or each.currency == runs[-1].currency]


def totals(scope: Scope) -> Totals:
    """The run's headline figures."""
    row = ask(scope, f"""
        SELECT count(*) AS customers, sum(churn_probability) AS leavers, sum(margin_at_risk) AS margin,
               avg(expected_ltv) AS ltv, sum(margin_at_risk) FILTER (segment = '{VIP}') AS vip
        FROM scores WHERE coalesce(has_left, 0) = 0""").fillna(0.0).iloc[0]
    return Totals(scope.run.as_of, int(row["customers"]), float(row["leavers"]), float(row["margin"]),
                  float(row["ltv"]), float(row["vip"] / (row["margin"] or 1.0)), scope.dataset.currency)


def changes(scope: Scope, than: str, actor: Actor) -> Changes:
    """What changed since the run `than` (its id). Single customers are told only to those who may see them.

    Raises:
        Refused: if the actor may not see aggregates.
        EngineError: if the dataset has no such run.
    """
    allow(actor, "overview")
    before = scope_of(scope.run.dataset, than)
    found = ask(scope, _moved(may(actor, "customers")), than=before)
    found = found.join(_told(found["was"]).add_suffix("_then")).join(_told(found["is"]).add_suffix("_now"))
    cells = found[found["what"] == "all"]
    known = cells["was"].notna() & cells["is"].notna()
    here_then, here_now = cells["left_then"].eq(False), cells["left_now"].eq(False)
    stayed = cells[known & here_then & here_now]

    def count(these: pd.Series) -> int:
        return int(cells.loc[these, "customers"].sum())

    def movers(what: str) -> pd.DataFrame | None:
        return _movers(found[found["what"] == what]) if may(actor, "customers") else None

    return Changes(
        before.run, _matrix(stayed, "band", RISK_BANDS), _matrix(stayed, "segment", SEGMENTS),
        newcomers=count(cells["was"].isna() & here_now), gone=count(cells["is"].isna() & here_then),
        left=count(known & here_then & ~here_now), back=count(known & ~here_then & here_now),
        mean_change=float(stayed["change"].sum() / (stayed["customers"].sum() or float("nan"))),
        risers=movers("rose"), fallers=movers("fell"), same_model=before.run.model_id == scope.run.model_id)


def _moved(with_customers: bool) -> str:
    """Customers counted by where they were and are, and those whose chance rose or fell most.

    Where is one number: band + 4 x segment, + 64 for those who have left. The runs are joined by 64-bit hashes of the
    ids, which saves a third; that any two of a million share one is rarer than one in ten million.
    """
    state = (f"list_position({list(RISK_BANDS)}, churn_risk) + 4 * list_position({list(SEGMENTS)}, segment) "
             f"+ {LEFT} * coalesce(has_left, 0)::INT")
    top = "".join(f"""
        UNION ALL SELECT * FROM (SELECT '{what}', was, "is", 1, d, customer_id, p, q, margin_at_risk FROM moved
                                 WHERE d {sign} 0 AND was < {LEFT} AND "is" < {LEFT}
                                 ORDER BY abs(d) DESC, customer_id LIMIT {MOVERS})"""
                  for what, sign in (("rose", ">"), ("fell", "<"))) if with_customers else ""
    return f"""
        WITH moved AS MATERIALIZED (
            SELECT customer_id, p, q, margin_at_risk, was, "is", q - p AS d
            FROM (SELECT hash(customer_id) AS who, churn_probability AS p, ({state})::TINYINT AS was FROM then_scores)
            FULL JOIN (SELECT hash(customer_id) AS who, customer_id, churn_probability AS q, margin_at_risk,
                              ({state})::TINYINT AS "is" FROM scores) USING (who))
        SELECT 'all' AS what, was, "is", count(*) AS customers, sum(d) AS change, NULL AS customer_id,
               NULL::DOUBLE AS "then", NULL::DOUBLE AS now, NULL::DOUBLE AS margin_at_risk
        FROM moved GROUP BY was, "is" {top}"""


def _told(states: pd.Series) -> pd.DataFrame:
    """Band, segment and whether they have left, per state; missing where the run does not know the customers."""
    def told(state: float) -> tuple[Any, Any, Any]:
        if pd.isna(state):
            return None, None, None
        place = int(state) % LEFT
        return RISK_BANDS[place % 4 - 1], SEGMENTS[place // 4 - 1], bool(int(state) >= LEFT)

    return pd.DataFrame([told(state) for state in states], index=states.index, columns=["band", "segment", "left"],
                        dtype=object)


def _matrix(stayed: pd.DataFrame, what: str, order: Sequence[str]) -> pd.DataFrame:
    table = stayed.pivot_table(index=f"{what}_then", columns=f"{what}_now", values="customers", aggfunc="sum")
    return table.reindex(index=list(order), columns=list(order)).fillna(0).astype(int)


def _movers(found: pd.DataFrame) -> pd.DataFrame:
    """The customers whose chance changed most, the largest change first."""
    table = found.iloc[found["change"].abs().argsort(kind="stable")[::-1]].rename(columns={"segment_now": "segment"})
    return table[["customer_id", "segment", "then", "now", "margin_at_risk"]].reset_index(drop=True)


def why(scope: Scope, than: str, movers: pd.DataFrame, *, actor: Actor, now: datetime) -> dict[str, str]:
    """The reason that changed most for each mover, by customer: "Tenure: 11 months, was 12 months".

    Compared are the strongest reasons of both runs, those whose value changed before all others; a customer of whom
    none moved the way of the chance is left out. The look at the customers is recorded.

    Raises:
        Refused: if the actor may not see customers.
    """
    allow(actor, "customers")
    ids = list(movers["customer_id"])
    marks = ", ".join("?" * len(ids)) or "NULL"
    found = ask(scope, f"""
        SELECT customer_id, feature, a.value AS value, b.value AS was,
               coalesce(a.contribution, 0) - coalesce(b.contribution, 0) AS change
        FROM (SELECT * FROM reasons WHERE customer_id IN ({marks})) a
        FULL JOIN (SELECT * FROM then_reasons WHERE customer_id IN ({marks})) b USING (customer_id, feature)
        ORDER BY a.value IS DISTINCT FROM b.value DESC, abs(change) DESC, feature""", [*ids, *ids],
                than=scope_of(scope.run.dataset, than))
    state.record(actor, "customers", scope.run.dataset, now, {"run_id": scope.run.run_id, "shown": len(ids)})
    rose = found["customer_id"].map(dict(zip(ids, movers["now"] > movers["then"], strict=True)))
    best = found[(found["change"] > 0) == rose].drop_duplicates("customer_id")
    return {row["customer_id"]: _words(scope, row["feature"], row["was"], row["value"])
            for row in best.to_dict("records")}


def _words(scope: Scope, feature: str, was: str | None, value: str | None) -> str:
    """The reason that changed, in words. One that is missing then is new among the strongest; one missing now is gone.

    One that is the same at both is told as such: others of its family, or the level, have moved then.
    """
    title = meaning(scope, feature).title
    if pd.isna(value):
        return f"{title}: was {was} (gone)"
    if pd.isna(was):
        return f"{title}: {value} (new)"
    return f"{title}: {value}, {'as before' if was == value else f'was {was}'}"
