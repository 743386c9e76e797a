"""Whom the data give a way to: the address that a channel takes. No plan may count on whom no campaign can reach.

Where the data hold no addresses of any kind, those may be in another system: nobody is out of reach then, and that
nothing can be sent until they come is said instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from engine.campaign.contact_rules import ADDRESSES, CALLED, WORDS, addresses, lacking
from engine.insight.source import Scope, ask, quoted
from engine.schema import plural

SIGNS = r"[^\s\p{Z}\p{Cc}]"
CURE = "Name those columns in a mapping ([contact]) and run again; without them no draft takes these customers."


def unreached(channel: str, columns: Collection[str]) -> str:
    """SQL that is true for whoever has no address for the channel, as a draft will find; asked beside `people`.

    columns: the customers' own. "" where everybody can be reached, as far as the data are to say it.

    >>> unreached("sms", ["email"]), unreached("sms", ["plan"]), unreached("post", ["email"])
    ('true', '', '')
    """
    if channel not in ADDRESSES or not addresses(columns):
        return ""
    column = ADDRESSES[channel]
    if column not in columns:
        return "true"
    return f"customer_id IN (SELECT customer_id FROM customers WHERE {_blank(column)})"


def _blank(column: str) -> str:
    """SQL that is true where no sign stands; what begins with one of ASCII, as nearly all does, is not searched."""
    text = f"CAST({quoted(column)} AS VARCHAR)"
    return (f"CASE WHEN {text} >= '!' AND {text} < chr(127) THEN false "
            f"ELSE NOT coalesce(regexp_matches({text}, '{SIGNS}'), false) END")


def without_address(scope: Scope, channels: Iterable[str], ids: pd.Index,
                    among: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """By channel, which of these customers have no address for it; the channels alone that take one, and none where the
    data hold no addresses of any kind. among: all of them, where they are few."""
    columns = scope.dataset.names
    taken = {channel: ADDRESSES[channel] for channel in channels if channel in ADDRESSES} if addresses(columns) else {}
    blank = {name: ids.isin(_blanks(scope, name, among)) if name in columns else np.ones(len(ids), dtype=bool)
             for name in set(taken.values())}
    return {channel: blank[name] for channel, name in taken.items()}


def _blanks(scope: Scope, column: str, among: Sequence[str]) -> pd.Series:
    few = " AND customer_id IN (SELECT unnest(?))" if among else ""
    sql = f"SELECT customer_id FROM customers WHERE {_blank(column)}{few}"
    return ask(scope, sql, [list(among)] if among else [])["customer_id"]


def counted(unreached_by: Mapping[str, int], columns: Collection[str]) -> list[str]:
    """How many have no address for which channels, a sentence for each kind of address.

    unreached_by: customers by channel.

    >>> counted({"email": 2, "phone": 9, "sms": 9}, ["email"])[0]
    '2 customers cannot be reached by e-mail, and no such offer is made: the column email is empty there.'
    """
    return [_sentence(address, unreached_by, columns) for address in CALLED
            if any(unreached_by.get(channel) for channel in _by(address, unreached_by))]


def of_steps(customers: Mapping[str, int], columns: Collection[str]) -> str:
    """For how many of a list the data have no column with the address that their step takes; "" where for nobody.

    customers: of the list, by the channel of their step.

    >>> of_steps({"phone": 2, "sms": 1, "email": 4}, ["email"])
    'By telephone or SMS, 3 customers of the list: the data hold no telephone numbers (no column phone).'
    """
    missing = {address: _by(address, customers) for address in CALLED if address not in columns}
    said = [f"by {_or(channels)}, {plural(sum(customers[channel] for channel in channels), 'customer')} of the list: "
            f"the data hold no {CALLED[address]} (no column {address})."
            for address, channels in missing.items() if channels]
    return " ".join(one[0].upper() + one[1:] for one in said)


def _or(channels: Iterable[str]) -> str:
    return " or ".join(WORDS[channel] for channel in channels)


def _by(address: str, channels: Iterable[str]) -> list[str]:
    return [channel for channel in channels if ADDRESSES.get(channel) == address]


def _sentence(address: str, unreached_by: Mapping[str, int], columns: Collection[str]) -> str:
    channels = _by(address, unreached_by)
    number = max(unreached_by[channel] for channel in channels)
    why = (f"the column {address} is empty there" if address in columns else
           f"the data hold no {CALLED[address]} (no column {address})")
    return (f"{plural(number, 'customer')} cannot be reached by {_or(channels)}, "
            f"and no such offer is made: {why}.")


def unsendable(channels: Iterable[str], columns: Collection[str]) -> str:
    """What the data lack for a campaign by these channels, and what to do about it; "" where nothing.

    >>> unsendable(["sms"], ["plan"])[:114]
    'The data hold no way to reach customers of this plan, so no campaign of it can be sent or exported until addresses'
    >>> unsendable(["email"], ["email", "consent_email"]), unsendable(["post"], [])
    ('', '')
    """
    lacks = {name: missing for name in sorted(set(channels)) if (missing := lacking(name, columns))}
    if not lacks:
        return ""
    takes = "; ".join(f"{WORDS[name]} takes {' and '.join(missing)}" for name, missing in lacks.items())
    known = addresses(columns)
    why = ("The data do not say who agreed to be contacted, so no campaign of this plan takes some of its customers"
           if known else
           "The data hold no way to reach customers of this plan, so no campaign of it can be sent or exported until "
           f"addresses come (the columns {' and '.join(CALLED)})")
    return f"{why}: {takes}. {CURE}"
