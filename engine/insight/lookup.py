"""Finding one customer: by id as one types, by name or e-mail where the role allows, or somebody worth looking at."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from engine import state
from engine.errors import EngineError
from engine.insight.source import Scope, ask
from engine.permissions import allow, may
from engine.schema import CONTACT, Actor
from engine.schema.stored import a_cursor, read_parquet, rows_of

NAMES = ("first_name", "last_name")
FIGURES = ("segment", "churn_probability", "expected_ltv", "has_left")
ACTIONABLE = "coalesce(hold_back, '') = ''"
MOST_RANKED = 50


def search(scope: Scope, text: str, limit: int = 8, *, actor: Actor) -> pd.DataFrame:
    """Customers whose id holds every word of the text, or whose name or e-mail does where the actor may see those.

    Names are looked through for words without digits, e-mail addresses for words with "@" or a dot. Exact ids first,
    then ids that begin so, then other ids, then names; the greatest margin at risk first within each, of the first 50
    found. Columns: customer_id, name (empty for those who may not see it), and FIGURES [currency], missing where the
    run has none.
    """
    allow(actor, "customers")
    words, whole = text.casefold().split(), text.casefold().strip()
    known = _contact_columns(scope) if may(actor, "contact") else []
    names = [name for name in NAMES if name in known]
    places = ["customer_id", *_looked_through(whole, names, known)]
    anywhere = "(" + " OR ".join(f"contains(lower({place}), ?)" for place in places) + ")"
    rank = "CASE WHEN id = ? THEN 0 WHEN starts_with(id, ?) THEN 1 WHEN contains(id, ?) THEN 2 ELSE 3 END"
    sql = f"""SELECT customer_id, name, {rank} AS rank
              FROM (SELECT customer_id, lower(customer_id) AS id, {_joined(names)} AS name
                    FROM {read_parquet(scope.dataset.customers)}
                    WHERE {' AND '.join([anywhere] * len(words)) or 'false'})
              ORDER BY rank, customer_id LIMIT {MOST_RANKED}"""
    with a_cursor() as cursor:
        found = cursor.execute(sql, [*[whole] * 3, *(word for word in words for _ in places)]).df()
    return _beside(scope, found).head(limit)[["customer_id", "name", *FIGURES]]


def _looked_through(text: str, names: list[str], known: list[str]) -> list[str]:
    """Where else than in the id such a text may be found: reading fewer columns is quicker."""
    return [*(names if not any(sign.isdigit() for sign in text) else []),
            *(["email"] if "email" in known and any(sign in text for sign in "@.") else [])]


def _joined(names: list[str]) -> str:
    return f"concat_ws(' ', {', '.join(names)})" if names else "''"


def _beside(scope: Scope, found: pd.DataFrame) -> pd.DataFrame:
    """What was found with its scores, in order."""
    scores = rows_of(scope.run.folder / "scores.parquet", list(found["customer_id"]),
                     ["customer_id", "margin_at_risk", *FIGURES])
    beside = found.merge(scores, on="customer_id", how="left")
    return beside.sort_values(["rank", "margin_at_risk", "customer_id"], ascending=[True, False, True], kind="stable",
                              na_position="last", ignore_index=True)


def _contact_columns(scope: Scope) -> list[str]:
    """The contact fields that the dataset holds."""
    held = set(pq.read_schema(scope.dataset.customers).names)
    return [column.name for column in CONTACT if column.name in held]


def examples(scope: Scope, limit: int = 3, *, actor: Actor) -> pd.DataFrame:
    """Those with the greatest margin at risk, of whom action is advised: customer_id, segment, churn_probability,
    expected_ltv, margin_at_risk [currency]."""
    allow(actor, "customers")
    return ask(scope, f"""SELECT customer_id, segment, churn_probability, expected_ltv, margin_at_risk FROM people
                          WHERE {ACTIONABLE} ORDER BY margin_at_risk DESC, customer_id LIMIT ?""", [limit])


def anyone(scope: Scope, seed: int, *, actor: Actor) -> str:
    """The id of some customer who is still there; the same seed gives the same one."""
    allow(actor, "customers")
    found = ask(scope, "SELECT customer_id FROM people ORDER BY hash(customer_id || ?), customer_id LIMIT 1",
                [str(seed)])
    if found.empty:
        raise EngineError("Everybody in this run has left already. Type an id to look somebody up.")
    return str(found["customer_id"].iloc[0])


def contact(scope: Scope, customer_id: str, *, actor: Actor) -> dict[str, Any]:
    """The customer's contact fields that are known, by column name; consents as True or False.

    Raises:
        Refused: for roles that may not see them.
    """
    allow(actor, "contact")
    held = _contact_columns(scope)
    rows = scope.dataset.frame([customer_id], held)
    flags = {column.name for column in CONTACT if column.kind == "flag"}
    return {str(name): bool(value) if name in flags else str(value)
            for name, value in (rows.iloc[0].items() if len(rows) else ()) if pd.notna(value) and str(value).strip()}


def opened(scope: Scope, customer_id: str, *, actor: Actor, now: datetime) -> None:
    """Tell the log that somebody has opened the customer's card: for screens, which keep a card that was computed once
    and show it again."""
    allow(actor, "predict")
    state.record(actor, "predict", scope.dataset.name, now, {"customer_id": customer_id, "run_id": scope.run.run_id})
