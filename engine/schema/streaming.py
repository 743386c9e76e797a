"""The words for subscriptions that run out: membership, payment and listening, as of a moment."""

from __future__ import annotations

from engine.schema.columns import Column

USE_WINDOWS = (7, 30, 90)

MEMBER_COLUMNS = (
    Column("age_years", "number", "years", "Age that the member stated; implausible ages are unknown", 5, 100,
           "Age"),
    Column("gender", "category", "", "Gender that the member stated", label="Gender"),
    Column("city", "category", "", "City, as a code", label="City"),
    Column("registered_via", "category", "", "Way of registering, as a code", label="Registered via"),
    Column("registered_at", "date", "UTC", "Day of registering", label="Registered"),
)
REGISTERED_DAYS = Column("registered_days", "number", "days", "Days since registering", 0,
                         label="Time since registering")

MEMBERSHIP = (
    Column("days_to_expiry", "number", "days", "Days until the membership runs out", 0,
           label="Time until the membership runs out"),
    Column("tenure_months", "number", "months", "Months since the first subscription", 0,
           label="Time as a member"),
    Column("plan_days", "number", "days", "Days that the last plan bought runs", 0, label="Plan length"),
    Column("auto_renew", "flag", "", "The last subscription renews by itself", 0, 1, "Renews by itself"),
    Column("auto_renew_share", "number", "share 0..1", "Of all subscriptions, those that renew by themselves", 0, 1,
           "Share that renews by itself"),
    Column("cancelled_now", "flag", "", "The last that was heard is a cancellation", 0, 1, "Has cancelled"),
    Column("plans", "count", "plans", "Different plan lengths so far", 0, label="Different plans"),
    Column("plan_changes", "count", "changes", "Changes of the plan's length so far", 0, label="Plan changes"),
    Column("plan_days_mean", "number", "days", "Mean days of the plans bought so far", 0, label="Mean plan length"),
)

RENEWALS = (
    Column("renewals", "count", "subscriptions", "Subscriptions bought or renewed so far", 0,
           label="Renewals so far"),
    Column("renewals_90d", "count", "subscriptions", "Subscriptions bought or renewed in the last 90 days", 0,
           label="Renewals in the last 90 days"),
    Column("renewals_365d", "count", "subscriptions", "Subscriptions bought or renewed in the last 365 days", 0,
           label="Renewals in the last 365 days"),
    Column("renewal_recency_days", "number", "days", "Days since the last subscription was bought", 0,
           label="Time since the last renewal"),
    Column("renewal_gap_mean_days", "number", "days", "Mean days between subscriptions", 0,
           label="Mean time between renewals"),
    Column("days_paid_365d", "number", "days", "Days of membership bought in the last 365 days", 0,
           label="Days bought in the last 365 days"),
    Column("lapses", "count", "lapses", "Times that the membership had run out before it was renewed", 0,
           label="Lapses so far"),
    Column("lapse_longest_days", "number", "days", "The longest time without membership between two", 0,
           label="Longest lapse"),
    Column("late_last_days", "number", "days", "Days from the end of the membership before to the last renewal; "
           "negative = renewed early", label="Last renewal, late by"),
    Column("late_mean_days", "number", "days", "Mean days from the end of a membership to its renewal; negative = "
           "early", label="Mean renewal, late by"),
)

CANCELLATIONS = (
    Column("cancellations", "count", "cancellations", "Cancellations so far", 0, label="Cancellations so far"),
    Column("cancellations_365d", "count", "cancellations", "Cancellations in the last 365 days", 0,
           label="Cancellations in the last 365 days"),
    Column("cancellation_recency_days", "number", "days", "Days since the last cancellation", 0,
           label="Time since the last cancellation"),
    Column("cancellation_share", "number", "share", "Cancellations over subscriptions so far", 0,
           label="Cancellations per subscription"),
)

PAYMENTS = (
    Column("price_per_month", "number", "currency per month", "What the last subscription cost, per 30.4 days", 0,
           label="Price per month"),
    Column("list_price", "number", "currency", "List price of the last subscription", 0, label="List price"),
    Column("paid_last", "number", "currency", "Paid for the last subscription", 0, label="Last payment"),
    Column("discount_last", "number", "share 0..1", "Share of the list price that was not paid, last subscription",
           -10, 1, "Last discount"),
    Column("discount_share", "number", "share 0..1", "Share of all list prices that was not paid", -10, 1,
           "Discount so far"),
    Column("free_share", "number", "share 0..1", "Of all subscriptions, those that cost nothing", 0, 1,
           "Share of free subscriptions"),
    Column("paid", "number", "currency", "Paid so far", 0, label="Paid so far"),
    Column("paid_90d", "number", "currency", "Paid in the last 90 days", 0, label="Paid in the last 90 days"),
    Column("paid_365d", "number", "currency", "Paid in the last 365 days", 0, label="Paid in the last 365 days"),
    Column("price_changes", "count", "changes", "Changes of the list price so far", 0, label="Price changes"),
    Column("price_step_last", "number", "currency", "The last change of the list price; negative = cheaper",
           label="Last price change"),
    Column("method", "category", "", "How the last subscription was paid, as a code", label="Payment method"),
    Column("methods", "count", "methods", "Different ways of paying so far", 0, label="Ways of paying"),
)

_LEVELS = tuple(
    column for days in USE_WINDOWS for column in (
        Column(f"listen_days_{days}d", "count", "days", f"Days with listening in the last {days} days", 0, days,
               f"Listening days in the last {days} days"),
        Column(f"minutes_{days}d", "number", "minutes", f"Minutes listened in the last {days} days", 0,
               label=f"Listening in the last {days} days"),
        Column(f"plays_{days}d", "count", "plays", f"Titles begun in the last {days} days", 0,
               label=f"Plays in the last {days} days"),
    )
)
LISTENING = (
    *_LEVELS,
    Column("listen_days_365d", "count", "days", "Days with listening in the last 365 days", 0, 365,
           "Listening days in the last 365 days"),
    Column("listen_recency_days", "number", "days", "Days since the last listening", 0,
           label="Time since the last listening"),
    Column("minutes_per_day_30d", "number", "minutes", "Minutes on a day with listening, last 30 days", 0,
           label="Minutes per listening day"),
    Column("minutes_last_day", "number", "minutes", "Minutes on the last day with listening", 0,
           label="Minutes on the last day"),
    Column("minutes_per_price", "number", "minutes per currency",
           "Minutes listened in the last 30 days for each unit of the price per month", 0,
           label="Minutes for the money"),
    Column("listen_share_of_paid", "number", "share", "Listening days over days bought, last 365 days", 0,
           label="Share of paid days used"),
)

LISTENING_TRENDS = (
    *(Column(f"listen_trend_{days}d", "number", "-1..1",
             f"Listening days in the last {days} days less the {days} before, over both; -1 = stopped, 1 = new", -1, 1,
             f"Listening, trend over {days} days") for days in USE_WINDOWS),
    *(Column(f"minutes_trend_{days}d", "number", "-1..1",
             f"Minutes in the last {days} days less the {days} before, over both; -1 = stopped, 1 = new", -1, 1,
             f"Minutes, trend over {days} days") for days in (30, 90)),
    Column("listen_gap_longest_90d", "number", "days", "Longest pause between listening days that ended in the last "
           "90 days", 0, label="Longest pause in the last 90 days"),
    Column("listen_streak_days", "number", "days", "Days in a row with listening, up to the day before", 0,
           label="Listening streak"),
)

LISTENING_DEPTH = (
    *(Column(f"full_share_{days}d", "number", "share 0..1", f"Of the plays in the last {days} days, those to the end",
             0, 1, f"Share played to the end, {days} days") for days in (30, 90)),
    *(Column(f"left_share_{days}d", "number", "share 0..1",
             f"Of the plays in the last {days} days, those left within a quarter", 0, 1,
             f"Share left early, {days} days") for days in (30, 90)),
    Column("variety_30d", "number", "ratio", "Different titles per play, last 30 days", 0,
           label="Variety"),
    Column("weekend_share_90d", "number", "share 0..1", "Of the listening days in the last 90 days, those on Saturday "
           "or Sunday (UTC)", 0, 1, "Share of weekend listening"),
)

SEASON = (
    Column("season_listen_days", "count", "days", "Listening days in the 30 days that follow, one year before", 0, 30,
           "Listening days in this season last year"),
    Column("season_renewals", "count", "subscriptions", "Subscriptions in the 30 days that follow, one year before", 0,
           label="Renewals in this season last year"),
)

FAMILIES = {
    "membership": MEMBERSHIP, "renewals": RENEWALS, "cancellations": CANCELLATIONS, "payment": PAYMENTS,
    "listening": LISTENING, "listening trend": LISTENING_TRENDS, "listening depth": LISTENING_DEPTH, "season": SEASON,
}
"""What is known of a member, by what it is about."""
