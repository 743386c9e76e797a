"""What a telecom's features mean: the columns of its customers, what is derived from them, and from their events."""

from __future__ import annotations

from collections.abc import Mapping

from engine.schema.columns import Column, in_families
from engine.schema.levers import Lever

RAW = (
    Column("gender", "category", "", "Gender as recorded by the company"),
    Column("senior_citizen", "flag", "", "The customer is 65 or older", 0, 1, "Senior citizen"),
    Column("partner", "flag", "", "The customer has a partner", 0, 1),
    Column("dependents", "flag", "", "The customer has dependents", 0, 1),
    Column("tenure_months", "count", "months", "Months since the customer joined", 0, label="Tenure"),
    Column("phone_service", "category", "", "Has a telephone line"),
    Column("multiple_lines", "category", "", "Has several telephone lines"),
    Column("internet_service", "category", "", "DSL, fiber optic, or none"),
    Column("online_security", "category", "", "Pays for online security"),
    Column("online_backup", "category", "", "Pays for online backup"),
    Column("device_protection", "category", "", "Pays for device protection"),
    Column("tech_support", "category", "", "Pays for technical support"),
    Column("streaming_tv", "category", "", "Streams television", label="Streaming TV"),
    Column("streaming_movies", "category", "", "Streams movies"),
    Column("contract", "category", "", "Month-to-month, one year, or two years"),
    Column("paperless_billing", "flag", "", "Bills come without paper", 0, 1),
    Column("payment_method", "category", "", "How the customer pays"),
    Column("monthly_charges", "number", "currency", "The current monthly bill", 0),
    Column("total_charges", "number", "currency", "Everything billed since the customer joined", 0),
)

DERIVED = (
    Column("average_monthly_charge", "number", "currency", "Total charges / tenure: the mean bill so far", 0),
    Column("charge_change", "number", "currency", "Current monthly bill minus the mean bill so far"),
    Column("charge_change_share", "number", "share 0..1", "charge_change / mean bill so far", -1,
           label="Charge change, relative"),
    Column("services_count", "count", "services", "Telephone, several lines, internet and its add-ons, counted", 0, 9,
           "Services"),
    Column("protection_services", "count", "services", "Security, backup, protection and support, counted", 0, 4),
    Column("streaming_services", "count", "services", "Streaming of television and movies, counted", 0, 2),
    Column("price_per_service", "number", "currency", "Monthly bill / services held", 0),
    Column("has_fiber", "flag", "", "Has fiber optic internet", 0, 1, "Fiber optic"),
    Column("unprotected_internet", "flag", "", "Has internet and none of the four protection services", 0, 1),
    Column("unsupported_fiber", "flag", "", "Has fiber optic without technical support and without security", 0, 1,
           "Fiber without support"),
    Column("internet_only", "flag", "", "Has internet and no telephone", 0, 1),
    Column("pays_by_electronic_check", "flag", "", "Pays by electronic check, so can stop paying at any time", 0, 1),
    Column("automatic_payment", "flag", "", "Pays automatically, by bank transfer or card", 0, 1),
    Column("contract_months", "count", "months", "1 when month-to-month", 1, label="Contract length"),
    Column("contract_position", "number", "share 0..1", "Share of the contract period that is over, if it began "
           "with the tenure and was renewed each time", 0, 1),
    Column("months_to_renewal", "count", "months", "Months until the contract period ends, estimated likewise", 1),
    Column("renewals", "count", "renewals", "Full contract periods completed so far, estimated likewise", 0),
    Column("household_size", "count", "people", "The customer, plus one for a partner and one for dependents", 1, 3,
           "Household"),
    Column("senior_alone", "flag", "", "65 or older with neither partner nor dependents", 0, 1),
    Column("new_customer", "flag", "", "Joined within the last 6 months", 0, 1),
    Column("uncommitted_payer", "flag", "", "Month-to-month contract paid by electronic check", 0, 1),
    Column("monthly_charge_per_tenure", "number", "currency per month", "Monthly bill / (tenure + 1): what is asked "
           "of a customer for each month of loyalty so far", 0, label="Bill against tenure"),
)

FROM_EVENTS = (
    Column("usage_gb_1m", "number", "GB per month", "Use in the last 31 days", 0, label="Usage, last month"),
    Column("usage_gb_3m", "number", "GB per month", "Mean monthly use, last 92 days", 0, label="Usage, 3 months"),
    Column("usage_gb_6m", "number", "GB per month", "Mean monthly use, last 184 days", 0, label="Usage, 6 months"),
    Column("usage_change_1m", "number", "share 0..1", "Mean monthly use of the last 31 days against the 92 days "
           "before them; -0.4 = fell by 40 %", -1, label="Usage change, 1 month"),
    Column("usage_change_3m", "number", "share 0..1", "Mean monthly use of the last 92 days against the 92 days "
           "before them", -1, label="Usage change, 3 months"),
    Column("usage_change_6m", "number", "share 0..1", "Mean monthly use of the last 184 days against the 184 days "
           "before them", -1, label="Usage change, 6 months"),
    Column("usage_slope_6m", "number", "GB per month per month", "Straight line through the monthly use of the last "
           "184 days: its slope", label="Usage trend, 6 months"),
    Column("usage_variation_12m", "number", "share 0..1", "Standard deviation / mean of the monthly use of the last "
           "366 days", 0, label="Usage variation"),
    Column("payments_365d", "count", "payments", "Payments made in the last 365 days", 0, label="Payments, 12 months"),
    Column("payment_failures_90d", "count", "failures", "Payments that failed in the last 90 days", 0,
           label="Payment failures, 3 months"),
    Column("payment_failures_180d", "count", "failures", "Payments that failed in the last 180 days", 0,
           label="Payment failures, 6 months"),
    Column("payment_failure_share_365d", "number", "share 0..1", "Failed / all payments, last 365 days", 0, 1,
           label="Payment failure rate"),
    Column("days_since_payment_failure", "number", "days", "Days since the last failed payment; missing = never", 0),
    Column("tickets_90d", "count", "tickets", "Support tickets in the last 90 days", 0, label="Tickets, 3 months"),
    Column("tickets_365d", "count", "tickets", "Support tickets in the last 365 days", 0, label="Tickets, 12 months"),
    Column("ticket_sentiment_90d", "number", "", "Mean sentiment of the last 90 days' tickets, -1..1", -1, 1,
           "Ticket sentiment, 3 months"),
    Column("ticket_sentiment_365d", "number", "", "Mean sentiment of the last 365 days' tickets, -1..1", -1, 1,
           "Ticket sentiment, 12 months"),
    Column("worst_sentiment_365d", "number", "", "Sentiment of the angriest ticket of the last 365 days, -1..1", -1, 1,
           "Angriest ticket"),
    Column("days_since_ticket", "number", "days", "Days since the last support ticket; missing = never", 0),
)

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "contract": ("contract", "contract_months", "contract_position", "months_to_renewal", "uncommitted_payer"),
    "tenure": ("tenure_months", "new_customer", "renewals", "total_charges", "monthly_charge_per_tenure"),
    "charges": ("monthly_charges", "average_monthly_charge", "price_per_service"),
    "charge change": ("charge_change", "charge_change_share"),
    "internet": ("internet_service", "has_fiber", "internet_only"),
    "protection": ("protection_services", "unprotected_internet", "online_security", "online_backup",
                   "device_protection"),
    "support": ("tech_support", "unsupported_fiber"),
    "payment": ("payment_method", "pays_by_electronic_check", "automatic_payment"),
    "household": ("partner", "dependents", "household_size", "senior_alone"),
    "streaming": ("streaming_tv", "streaming_movies", "streaming_services"),
    "telephone": ("phone_service", "multiple_lines"),
    "usage": ("usage_gb_1m", "usage_gb_3m", "usage_gb_6m"),
    "usage change": ("usage_change_1m", "usage_change_3m", "usage_change_6m", "usage_slope_6m", "usage_variation_12m"),
    "payment failures": ("payment_failures_90d", "payment_failures_180d", "payment_failure_share_365d",
                         "days_since_payment_failure"),
    "tickets": ("tickets_90d", "tickets_365d", "days_since_ticket"),
    "sentiment": ("ticket_sentiment_90d", "ticket_sentiment_365d", "worst_sentiment_365d"),
}

TELECOM_STATIC = in_families(RAW + DERIVED, FAMILIES)
TELECOM_FEATURES = TELECOM_STATIC + in_families(FROM_EVENTS, FAMILIES)

_INCLUDED = {"No": {"Yes": 1}}
_AUTOMATIC = {"Bank transfer (automatic)": 1, "Credit card (automatic)": 1}

TELECOM_LEVERS = (
    Lever("contract", "Offer a longer contract.",
          {"Month-to-month": {"One year": 1, "Two year": 2}, "One year": {"Two year": 1}}),
    Lever("tech_support", "Include technical support.", _INCLUDED),
    Lever("online_security", "Include online security.", _INCLUDED),
    Lever("online_backup", "Include online backup.", _INCLUDED),
    Lever("device_protection", "Include device protection.", _INCLUDED),
    Lever("payment_method", "Move to automatic payment.",
          {"Electronic check": _AUTOMATIC, "Mailed check": _AUTOMATIC}),
    Lever("internet_service", "Change the line.", {"DSL": {"Fiber optic": 1}, "Fiber optic": {"DSL": 1}}),
    Lever("monthly_charges", "Lower the monthly bill.", cuts=(0.05, 0.10, 0.15, 0.20)),
)
"""The columns that a team can change, each with how. What is derived from them follows; past events stay."""
