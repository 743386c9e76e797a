"""The data dictionary: every table and every feature in one place, for README and for the screens."""

from __future__ import annotations

from engine.schema.browsing import BROWSE_FEATURES
from engine.schema.campaigns import CAMPAIGN_TABLES
from engine.schema.columns import Table
from engine.schema.orders import ORDER_FEATURES, VISIT_FEATURES
from engine.schema.shop import SHOP_FEATURES
from engine.schema.streaming import FAMILIES, MEMBER_COLUMNS, REGISTERED_DAYS
from engine.schema.subscriptions import SUBSCRIPTION_FEATURES
from engine.schema.tables import CUSTOMER_ID, TABLES
from engine.schema.telecom import TELECOM_FEATURES

STATED = (*(column for column in MEMBER_COLUMNS if column.kind != "date"), REGISTERED_DAYS)


def dictionary() -> tuple[Table, ...]:
    """All tables, and the features of each kind of company as one more table each."""
    features = (Table(name, ("customer_id",), (CUSTOMER_ID, *columns), holds) for name, columns, holds in (
        ("TELECOM FEATURES", TELECOM_FEATURES, "what the models know of a telecom's customer"),
        ("ORDER FEATURES", (*ORDER_FEATURES, *VISIT_FEATURES), "what the models know of a shop's customer from events"),
        ("BROWSING FEATURES", BROWSE_FEATURES, "what shop events add to the features of orders"),
        ("SUBSCRIPTION FEATURES", SUBSCRIPTION_FEATURES, "what the models know of an account with subscriptions"),
        ("STREAMING FEATURES", (*(column for columns in FAMILIES.values() for column in columns), *STATED),
         "what the models know of a member whose subscription runs out"),
        ("SHOP SNAPSHOT FEATURES", SHOP_FEATURES, "what the models know of a shop's customer from a snapshot"),
    ))
    return (*TABLES, *CAMPAIGN_TABLES, *features)
