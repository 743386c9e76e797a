"""The words for software by subscription: what runs, how it is used, tickets and payments, as of a moment."""

from __future__ import annotations

from engine.schema.columns import Column, in_families

USE_WINDOWS = (7, 30, 90)

_CONTRACT = (
    Column("tenure_months", "number", "months", "Months since the first subscription", 0, label="Time as a customer"),
    Column("mrr", "number", "currency per month", "What all running subscriptions bring a month", 0,
           label="Monthly revenue"),
    Column("mrr_change_90d", "number", "currency per month", "Monthly revenue now less 90 days ago; negative = less",
           label="Monthly revenue against 90 days ago"),
    Column("running", "count", "subscriptions", "Subscriptions that run", 0, label="Running subscriptions"),
    Column("plan", "category", "", "Plan of the last subscription begun", label="Plan"),
    Column("plans", "count", "plans", "Different plans so far", 0, label="Different plans"),
    Column("starts", "count", "subscriptions", "Subscriptions begun so far", 0, label="Subscriptions begun"),
    Column("starts_90d", "count", "subscriptions", "Subscriptions begun in the last 90 days", 0,
           label="Subscriptions begun in the last 90 days"),
    Column("ends", "count", "subscriptions", "Subscriptions ended so far", 0, label="Subscriptions ended"),
    Column("ends_90d", "count", "subscriptions", "Subscriptions ended in the last 90 days", 0,
           label="Subscriptions ended in the last 90 days"),
    Column("start_recency_days", "number", "days", "Days since a subscription was begun", 0,
           label="Time since the last subscription began"),
    Column("end_recency_days", "number", "days", "Days since a subscription was ended", 0,
           label="Time since the last subscription ended"),
)
_USE = (
    *(column for days in USE_WINDOWS for column in (
        Column(f"uses_{days}d", "number", "uses", f"Use in the last {days} days, in the company's own unit", 0,
               label=f"Use in the last {days} days"),
        Column(f"active_days_{days}d", "count", "days", f"Days with use in the last {days} days", 0, days,
               f"Active days in the last {days} days"))),
    Column("use_recency_days", "number", "days", "Days since the last use", 0, label="Time since the last use"),
    Column("use_streak_days", "number", "days", "Days in a row with use, up to the day before", 0,
           label="Streak of days with use"),
    Column("use_gap_longest_90d", "number", "days", "Longest pause between uses that ended in the last 90 days", 0,
           label="Longest pause in use"),
    *(Column(f"use_trend_{days}d", "number", "-1..1",
             f"Use in the last {days} days less the {days} before, over both; -1 = stopped, 1 = new", -1, 1,
             f"Use, trend over {days} days") for days in (30, 90)),
    Column("features_used_90d", "count", "features", "Different features used in the last 90 days", 0,
           label="Different features used"),
    Column("uses_per_day_30d", "number", "uses", "Use on a day with use, last 30 days", 0, label="Use per active day"),
    Column("uses_per_price", "number", "uses per currency", "Use in the last 30 days for each unit of monthly revenue",
           0, label="Use for the money"),
    Column("season_uses", "number", "uses", "Use in the 30 days that follow, one year before", 0,
           label="Use in this season last year"),
)
_TICKETS = (
    *(Column(f"tickets_{days}d", "count", "tickets", f"Support tickets in the last {days} days", 0,
             label=f"Tickets in the last {days} days") for days in (30, 90, 365)),
    Column("ticket_recency_days", "number", "days", "Days since the last ticket", 0,
           label="Time since the last ticket"),
    Column("ticket_mood_90d", "number", "-1..1", "Mean mood of the tickets in the last 90 days; -1 angry, 1 pleased",
           -1, 1, "Mood of the last tickets"),
    Column("urgent_tickets_90d", "count", "tickets", "Tickets of the highest priorities in the last 90 days", 0,
           label="Urgent tickets"),
)
_PAYMENTS = (
    Column("payment_failures_90d", "count", "payments", "Payments that failed in the last 90 days", 0,
           label="Failed payments in the last 90 days"),
    Column("payment_failure_recency_days", "number", "days", "Days since a payment failed", 0,
           label="Time since a failed payment"),
    Column("paid_365d", "number", "currency", "Paid in the last 365 days", 0, label="Paid in the last 365 days"),
    Column("refunded_share", "number", "share", "Money given back over money paid so far", 0,
           label="Share of money given back"),
)
_FAMILIES = {"contract": _CONTRACT, "use": _USE, "tickets": _TICKETS, "payment": _PAYMENTS}

SUBSCRIPTION_FEATURES: tuple[Column, ...] = in_families(
    [column for columns in _FAMILIES.values() for column in columns],
    {family: [column.name for column in columns] for family, columns in _FAMILIES.items()})
"""What is known of an account with subscriptions."""
