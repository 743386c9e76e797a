"""What the ledger keeps of a customer or a dataset, and how it goes: the one exception to "only ever added to".

`erasing` names whom the triggers let go, within the transaction that does it and no longer. Addresses on the
suppression list stay as keyed hashes, so that whoever asked to be left alone stays alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import state
from engine.campaign.suppression import BY_ID
from engine.campaign.tables import (
    ASSIGNMENTS,
    BUDGETS,
    CAMPAIGNS,
    CONTACTS,
    DESK_HISTORY,
    DESK_ITEMS,
    ERASING,
    EXCLUSIONS,
    FEEDBACK,
    OUTCOMES,
    PLANNED,
    SUPPRESSIONS,
    WHOLE_DATASET,
)

OF_CAMPAIGNS = (OUTCOMES, EXCLUSIONS, ASSIGNMENTS, PLANNED)
OF_DATASETS = (CONTACTS, FEEDBACK, DESK_ITEMS)


def forget_customer(dataset: str, customer_id: str) -> int:
    """Remove a customer from the ledger; returns the number of rows. For the verb `erase`, which has asked who may."""
    with state.writer() as connection:
        state.alone(connection)
        connection.execute(sa.insert(ERASING).values(dataset=dataset, customer_id=customer_id))
        _count_erased(connection, dataset, customer_id)
        rows = _remove(connection, dataset, customer_id)
        table = SUPPRESSIONS.c
        mine = (table.dataset == dataset) & (table.kind == BY_ID) & (table.who == customer_id)
        rows += connection.execute(sa.delete(SUPPRESSIONS).where(mine)).rowcount
        connection.execute(sa.delete(ERASING).where(ERASING.c.dataset == dataset))
    return rows


def ids() -> list[str]:
    """Every customer whom the ledger knows, of whichever dataset."""
    columns = [sa.select(table.c.customer_id) for table in (*OF_CAMPAIGNS, *OF_DATASETS)]
    by_id = sa.select(SUPPRESSIONS.c.who).where(SUPPRESSIONS.c.kind == BY_ID)
    with state.reader() as connection:
        return [str(who) for who in connection.execute(sa.union(*columns, by_id)).scalars()]


def forget_dataset(dataset: str) -> int:
    """Remove all that the ledger keeps of a dataset, its campaigns and budgets too; returns the number of campaigns."""
    with state.writer() as connection:
        state.alone(connection)
        connection.execute(sa.insert(ERASING).values(dataset=dataset, customer_id=WHOLE_DATASET))
        _remove(connection, dataset, None)
        for table in (SUPPRESSIONS, BUDGETS):
            connection.execute(sa.delete(table).where(table.c.dataset == dataset))
        gone = connection.execute(sa.delete(CAMPAIGNS).where(CAMPAIGNS.c.dataset == dataset)).rowcount
        connection.execute(sa.delete(ERASING).where(ERASING.c.dataset == dataset))
    return gone


def _remove(connection: Connection, dataset: str, customer_id: str | None) -> int:
    """Rows of one customer, or of all; those of campaigns first."""
    campaigns = sa.select(CAMPAIGNS.c.id).where(CAMPAIGNS.c.dataset == dataset)
    items = sa.select(DESK_ITEMS.c.id).where(DESK_ITEMS.c.dataset == dataset, *_whose(DESK_ITEMS, customer_id))
    rows = connection.execute(sa.delete(DESK_HISTORY).where(DESK_HISTORY.c.item_id.in_(items))).rowcount
    for table in OF_CAMPAIGNS:
        mine = sa.delete(table).where(table.c.campaign_id.in_(campaigns), *_whose(table, customer_id))
        rows += connection.execute(mine).rowcount
    for table in OF_DATASETS:
        mine = sa.delete(table).where(table.c.dataset == dataset, *_whose(table, customer_id))
        rows += connection.execute(mine).rowcount
    return rows


def _whose(table: sa.Table, customer_id: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if customer_id is None else [table.c.customer_id == customer_id]


def _count_erased(connection: Connection, dataset: str, customer_id: str) -> None:
    """Let each campaign that has assigned the customer say that it has lost somebody."""
    held = sa.select(ASSIGNMENTS.c.campaign_id).where(ASSIGNMENTS.c.customer_id == customer_id)
    mine = (CAMPAIGNS.c.dataset == dataset) & CAMPAIGNS.c.id.in_(held)
    connection.execute(sa.update(CAMPAIGNS).where(mine).values(erased=CAMPAIGNS.c.erased + 1))
