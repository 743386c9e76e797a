"""Who may be contacted: consent, suppression, holdouts, caps, cooldowns and quiet hours; whoever may not, and why.

All but the quiet hours decide before anyone is held out, so that those treated and those held out stay comparable.
Quiet hours only put a message off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from engine.campaign.rules import Rules, zone
from engine.decision.consents import CONSENTS
from engine.decision.treatments import Treatment

EVERYWHERE = "all"
ADDRESSES = {"email": "email", "sms": "phone", "phone": "phone"}
CALLED = {"email": "e-mail addresses", "phone": "telephone numbers"}
WORDS = {"email": "e-mail", "sms": "SMS", "phone": "telephone"}
QUIET_AT_NIGHT = frozenset({"sms", "phone"})
TIMEZONE = "timezone"
NOT_HELD, NOT_SAID = "the data hold no addresses of that kind", "the data do not say who agreed"
HELD = "held out by a running campaign"
SAME, OFTEN = "had the same offer lately (it rests, others may be made)", "contacted as often as the rules allow"


def lacking(channel: str, columns: Collection[str]) -> tuple[str, ...]:
    """The columns without which nobody can be reached through the channel, of those that the data have not.

    >>> lacking("email", ["customer_id", "email"]), lacking("post", [])
    (('consent_email',), ())
    """
    needed = (table[channel] for table in (ADDRESSES, CONSENTS) if channel in table)
    return tuple(name for name in needed if name not in columns)


def addresses(columns: Collection[str]) -> tuple[str, ...]:
    """The address columns that the data have. Where they have none, addresses may be in another system.

    >>> addresses(["plan", "phone"]), addresses(["consent_email"])
    (('phone',), ())
    """
    return tuple(name for name in CALLED if name in columns)


def wanting(reason: str) -> bool:
    """Whether somebody is left out because the data lack something: an address, or any word of who agreed.

    >>> wanting("no phone known"), wanting(f"{NOT_HELD} (no column email)"), wanting("no consent to SMS")
    (True, True, False)
    """
    return reason.startswith((NOT_HELD, NOT_SAID)) or reason in {f"no {name} known" for name in CALLED}


def _none(*columns: str) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})


@dataclass(frozen=True)
class History:
    """What is known of past contact: who is suppressed (customer_id, channel, reason), what reached whom (customer_id,
    treatment, at), and who is held out by a campaign whose window runs still (customer_id, campaign, until)."""

    suppressed: pd.DataFrame = field(default_factory=lambda: _none("customer_id", "channel", "reason"))
    contacts: pd.DataFrame = field(default_factory=lambda: _none("customer_id", "treatment", "at"))
    held: pd.DataFrame = field(default_factory=lambda: _none("customer_id", "campaign", "until"))


def left_out(rows: pd.DataFrame, customers: pd.DataFrame, history: History, rules: Rules,
             cooldown_days: Mapping[str, float], now: datetime) -> pd.Series:
    """Why each customer must not be contacted, in words; "" for who may be. The first of the rules that forbids it.

    Args:
        rows: customer_id, treatment, channel; one row per customer.
        customers: what the data say of them, by customer_id: consent and address columns as far as there are any.
        cooldown_days: by treatment, how long it rests before the same customer is contacted with it again.
    """
    reason = pd.Series("", rows.index, dtype=object)
    for found in (suppressed(rows, history), _held(rows, history), _unreachable(rows, customers),
                  _resting(rows, history, cooldown_days, now), _capped(rows, history, rules, now)):
        reason = reason.where(reason != "", found)
    return reason


def suppressed(rows: pd.DataFrame, history: History) -> pd.Series:
    """Why each customer is on the suppression list, everywhere or for the channel of the row; "" for who is not."""
    known = history.suppressed
    pairs = {(who, channel): why for who, channel, why in known[["customer_id", "channel", "reason"]].itertuples(
        index=False)}
    found = [pairs.get((who, EVERYWHERE), pairs.get((who, channel))) for who, channel in _pairs(rows, "channel")]
    return pd.Series(["" if why is None else f"on the suppression list{f': {why}' if why else ''}" for why in found],
                     rows.index, dtype=object)


def withdrawn(rows: pd.DataFrame, customers: pd.DataFrame) -> pd.Series:
    """Who does not agree to the row's channel by what the data say of them, in words; "" where they say nothing."""
    found = pd.Series("", rows.index, dtype=object)
    for channel, consent in CONSENTS.items():
        mine = rows.index[(rows["channel"] == channel) & rows["customer_id"].isin(customers.index)]
        if consent in customers and len(mine):
            found[mine] = _no_consent(rows.loc[mine, "customer_id"], customers, consent, channel)
    return found


def _held(rows: pd.DataFrame, history: History) -> pd.Series:
    known = {who: f'held out by the campaign "{campaign}" until {until:%Y-%m-%d}' for who, campaign, until
             in history.held[["customer_id", "campaign", "until"]].itertuples(index=False)}
    return rows["customer_id"].map(known).fillna("")


def _unreachable(rows: pd.DataFrame, customers: pd.DataFrame) -> pd.Series:
    """No consent, or no address; what the data do not say is no consent."""
    found = pd.Series("", rows.index, dtype=object)
    for channel, consent in CONSENTS.items():
        mine = rows.index[rows["channel"] == channel]
        if len(mine):
            who = rows.loc[mine, "customer_id"]
            refused = _no_consent(who, customers, consent, channel)
            found[mine] = refused.where(refused != "", _no_address(who, customers, ADDRESSES[channel]))
    return found


def _no_consent(who: pd.Series, customers: pd.DataFrame, consent: str, channel: str) -> pd.Series:
    if consent not in customers:
        return pd.Series(f"{NOT_SAID} to {WORDS[channel]} (no column {consent})", who.index)
    agreed = who.map(customers[consent]).astype("float64").fillna(0.0) == 1
    return pd.Series(f"no consent to {WORDS[channel]}", who.index, dtype=object).where(~agreed, "")


def _no_address(who: pd.Series, customers: pd.DataFrame, address: str) -> pd.Series:
    if address not in customers:
        return pd.Series(f"{NOT_HELD} (no column {address})", who.index)
    there = who.map(customers[address]).fillna("").astype(str).str.strip() != ""
    return pd.Series(f"no {address} known", who.index, dtype=object).where(~there, "")


def _resting(rows: pd.DataFrame, history: History, cooldown_days: Mapping[str, float], now: datetime) -> pd.Series:
    """The same treatment lately."""
    past = history.contacts
    last = past.groupby(["customer_id", "treatment"])["at"].max().to_dict() if len(past) else {}
    found = [_still_resting(last.get(pair), cooldown_days.get(pair[1], 0.0), now) for pair in _pairs(rows, "treatment")]
    return pd.Series(found, rows.index, dtype=object)


def _still_resting(last: datetime | None, days: float, now: datetime) -> str:
    if last is None or now - last >= timedelta(days=days):
        return ""
    return f"had the same offer on {last:%Y-%m-%d}; it rests for {days:g} days"


def _capped(rows: pd.DataFrame, history: History, rules: Rules, now: datetime) -> pd.Series:
    """As many contacts as are allowed, across all campaigns."""
    count = _lately(rows["customer_id"], history, rules, now)
    words = count.map(lambda number: f"contacted {number} times in {rules.within_days} days; "
                                     f"at most {rules.most_contacts} are allowed")
    return words.astype(object).where(count >= rules.most_contacts, "")


# ---- the same rules for every offer at once, before anything is planned: a plan that chose first would spend its
# budget and its caps on people who are left out then


def barred(ids: pd.Series, treatments: Sequence[Treatment], history: History, rules: Rules,
           now: datetime) -> dict[str, np.ndarray]:
    """The offers that must not be made now, by the reason: (n, k), or (n, 1) where all of a customer's are meant.

    The rules that forbid nothing are left out. Consent and suppression are guardrails of their own.
    """
    found = {HELD: _column(ids.isin(history.held["customer_id"])),
             SAME: _offers_resting(ids, treatments, history.contacts, now),
             OFTEN: _column(_lately(ids, history, rules, now) >= rules.most_contacts)}
    return {why: mask for why, mask in found.items() if mask.any()}


def _column(of_customers: pd.Series) -> np.ndarray:
    return of_customers.to_numpy(dtype=bool)[:, None]


def _offers_resting(ids: pd.Series, treatments: Sequence[Treatment], contacts: pd.DataFrame,
                    now: datetime) -> np.ndarray:
    return np.column_stack([ids.isin(contacts.loc[(contacts["treatment"] == one.name)
                                                  & _since(contacts, now, one.cooldown_days), "customer_id"])
                            for one in treatments])


def _lately(ids: pd.Series, history: History, rules: Rules, now: datetime) -> pd.Series:
    """How often each was contacted in the days for which contacts are counted."""
    recent = history.contacts.loc[_since(history.contacts, now, rules.within_days), "customer_id"].value_counts()
    return ids.map(recent).astype("float64").fillna(0).astype(int)


def _since(contacts: pd.DataFrame, now: datetime, days: float) -> pd.Series:
    """Which contacts are less than so many days ago."""
    return pd.to_datetime(contacts["at"]) > now - timedelta(days=days)


def _pairs(rows: pd.DataFrame, column: str) -> Iterable[tuple[str, str]]:
    return zip(rows["customer_id"], rows[column], strict=True)


def wait_until(channel: str, now: datetime, rules: Rules, place: str = "") -> datetime | None:
    """When the customer may be reached, if not now (both naive UTC); None when now will do.

    place: the customer's own time zone, where known; one that nobody knows counts as not known.

    >>> night = datetime(2024, 6, 1, 4, 30)
    >>> wait_until("sms", night, Rules(timezone="Europe/Berlin")), wait_until("email", night, Rules())
    (datetime.datetime(2024, 6, 1, 6, 0), None)
    >>> wait_until("phone", datetime(2024, 6, 1, 20, 0), Rules(), "America/Los_Angeles")
    """
    if channel not in QUIET_AT_NIGHT:
        return None
    where = _place(place) or zone(rules.timezone)
    utc = ZoneInfo("UTC")
    local = now.replace(tzinfo=utc).astimezone(where)
    if rules.from_hour <= local.hour < rules.until_hour:
        return None
    day = local.date() + timedelta(days=1 if local.hour >= rules.until_hour else 0)
    opens = datetime(day.year, day.month, day.day, rules.from_hour, tzinfo=where)
    return opens.astimezone(utc).replace(tzinfo=None)


def _place(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
