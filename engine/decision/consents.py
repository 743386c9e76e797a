"""Which column of the customers says who agreed to be reached through a channel, and what its absence means."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

CONSENTS: Mapping[str, str] = {"email": "consent_email", "sms": "consent_sms", "phone": "consent_phone"}


def agreed(channel: str, customer: Mapping[str, Any]) -> bool | None:
    """Whether a customer with these values agreed to the channel; what is not known is no agreement. None where it is
    not asked: of no channel the data say who agreed, or this one needs no consent.

    >>> agreed("email", {"consent_email": 1}), agreed("sms", {"consent_email": 1}), agreed("sms", {"plan": "a"})
    (True, False, None)
    """
    own = CONSENTS.get(channel, "")
    if own in customer:
        return bool(customer[own] == 1)
    return False if unsaid(channel, customer) else None


def unsaid(channel: str, columns: Collection[str]) -> bool:
    """Whether the data say who agreed to other channels and not to this one: as far as they say, nobody did.

    Data that say of no channel who agreed may leave that to another system; then it is not asked.

    >>> unsaid("sms", ["consent_email"]), unsaid("email", ["consent_email"]), unsaid("sms", ["plan"])
    (True, False, False)
    >>> unsaid("post", ["consent_email"])
    False
    """
    own = CONSENTS.get(channel)
    return own is not None and own not in columns and any(name in columns for name in CONSENTS.values())
