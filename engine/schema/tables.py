"""The tables that rooms exchange: every column with its unit, range and meaning."""

from __future__ import annotations

from engine.schema.columns import Column, Table

RISK_BANDS = ("LOW", "MEDIUM", "HIGH")
LTV_TIERS = ("Low LTV", "Mid LTV", "High LTV")
SEGMENTS = ("Champion", "At-Risk VIP", "Promising", "Vulnerable", "Hibernating", "Losing Customer")

CUSTOMER_ID = Column("customer_id", "id", "", "The company's own id of the customer, text, zeros kept", nullable=False)
RUN_ID = Column("run_id", "id", "", "The scoring run that computed the row", nullable=False)

CONTACT = (
    Column("first_name", "text", "", "Given name, for messages; never a feature"),
    Column("last_name", "text", "", "Family name, for messages; never a feature"),
    Column("email", "text", "", "E-mail address; never a feature"),
    Column("phone", "text", "", "Telephone number, E.164 where known; never a feature"),
    Column("consent_email", "flag", "", "May be written to by e-mail", 0, 1),
    Column("consent_sms", "flag", "", "May be written to by SMS", 0, 1),
    Column("consent_phone", "flag", "", "May be called", 0, 1),
)

EVENT_KINDS = {
    "order": "one line of an order; amount = quantity x price, quantity in pieces",
    "return": "a line sent back; amount and quantity are positive",
    "cancellation": "an order line undone before delivery; amount and quantity are positive",
    "payment": "a payment made; amount in currency",
    "payment_failure": "a payment that failed; amount in currency",
    "usage": "a month of use; quantity in gigabytes",
    "ticket": "a support ticket; quantity is its sentiment, -1 (angry) to 1 (pleased)",
    "session": "a visit; quantity in minutes",
    "cart": "a cart filled; quantity in pieces",
    "cart_abandoned": "a cart left behind; quantity in pieces",
    "wishlist": "a product put on the wishlist; quantity in pieces",
    "view": "a product looked at; amount is its price",
    "cart_removed": "a product taken out of the cart; quantity in pieces",
    "subscription": "a subscription bought or renewed; amount paid, quantity in days, running until expires_at",
    "subscription_cancelled": "a subscription cancelled; it runs until expires_at",
    "play": "a day of listening or watching; quantity in minutes",
    "activity": "the product used; quantity in the company's own unit",
}

EVENTS = Table("EVENTS", ("event_id",), (
    Column("event_id", "id", "", "Unique within the dataset", nullable=False),
    CUSTOMER_ID,
    Column("at", "date", "UTC", "When it happened, naive UTC", nullable=False),
    Column("kind", "category", "", "One of: " + ", ".join(EVENT_KINDS), nullable=False),
    Column("group_id", "id", "", "What the event belongs to, such as an order's id"),
    Column("amount", "number", "currency", "Money moved; positive, its kind says the direction"),
    Column("quantity", "number", "", "Its kind's own unit (see the kinds of event)"),
), "what happened, when; one row per event")

EVENT_EXTRAS = (
    Column("item_id", "id", "", "The product the event is about"),
    Column("category", "category", "", "The product's or the use's category"),
    Column("brand", "category", "", "The product's brand"),
    Column("expires_at", "date", "UTC", "First moment at which the subscription runs no more"),
    Column("list_price", "number", "currency", "The plan's price before discounts"),
    Column("auto_renew", "flag", "", "The subscription renews by itself", 0, 1),
    Column("plan", "category", "", "The subscription's plan"),
    Column("method", "category", "", "How was paid"),
    Column("titles", "count", "titles", "Different titles played", 0),
    Column("plays", "count", "plays", "Titles begun", 0),
    Column("plays_left", "count", "plays", "Titles left before a quarter of their length", 0),
    Column("plays_full", "count", "plays", "Titles played to (nearly) their end", 0),
)
"""Columns that some kinds of events have beside EVENTS."""

OFFER_HISTORY = Table("OFFER_HISTORY", ("customer_id", "offered_at"), (
    CUSTOMER_ID,
    Column("offered_at", "date", "UTC", "When the offer was made", nullable=False),
    Column("treatment", "category", "", 'The offer\'s name in the playbook; "none" = kept as control', nullable=False),
    Column("propensity", "number", "share 0..1", "Chance the logging policy gave this treatment", 0, 1),
    Column("churned", "flag", "", "Left within the label window after the offer", 0, 1),
    Column("margin", "number", "currency", "Margin earned within the label window after the offer"),
), "past offers and what became of them; feature columns as of offered_at may follow")

SCORES = Table("SCORES", ("run_id", "customer_id"), (
    RUN_ID,
    CUSTOMER_ID,
    Column("churn_probability", "number", "share 0..1", "Calibrated chance to leave within the label window", 0, 1,
           "Chance to leave"),
    Column("churn_low", "number", "share 0..1", "Lower end of the 90 % interval of the true probability", 0, 1),
    Column("churn_high", "number", "share 0..1", "Upper end of the 90 % interval of the true probability", 0, 1),
    Column("churn_risk", "category", "", "LOW, MEDIUM or HIGH by the model's stored cuts", label="Risk"),
    Column("ltv_if_stays", "number", "currency",
           "Expected discounted margin over the LTV horizon if the customer does not leave within the label window",
           label="LTV if the customer stays"),
    Column("expected_ltv", "number", "currency", "Expected discounted margin over the LTV horizon, churn counted once",
           label="Expected LTV"),
    Column("margin_at_risk", "number", "currency", "churn_probability x ltv_if_stays"),
    Column("ltv_tier", "category", "", "Low, Mid or High LTV by the model's stored 33rd and 67th percentiles",
           label="LTV tier"),
    Column("risk_score", "number", "share 0..1",
           "0.40 churn + 0.30 recency + 0.30 cart abandonment, as percentiles, renormalised over what is known", 0, 1),
    Column("segment", "category", "", "One of: " + ", ".join(SEGMENTS)),
    Column("expected_months", "number", "months", "Expected months as a customer within the LTV horizon", 0),
    Column("p_alive", "number", "share 0..1", "Chance that the customer still buys at all (orders only)", 0, 1),
    Column("expected_orders", "number", "orders", "Expected orders within the label window (orders only)", 0),
    Column("next_order_at", "date", "UTC", "Expected date of the next order if the customer still buys (orders only)"),
    Column("best_contact_month", "count", "months",
           "Month from now with the highest hazard: the time to be in touch before it (contracts with tenure only)", 1),
    Column("spend_index", "number", "currency",
           "monetary x ln(1 + frequency), a historical index of past spend; never a lifetime value", 0),
    Column("has_left", "flag", "", "The data say that the customer has left already: win back, not retain", 0, 1),
    Column("hold_back", "text", "", "Why no action is advised for this customer; empty = action allowed"),
), "one row per customer and scoring run")

REASONS = Table("REASONS", ("run_id", "customer_id", "rank"), (
    RUN_ID,
    CUSTOMER_ID,
    Column("rank", "count", "", "1 = strongest driver", 1),
    Column("feature", "category", "", "The feature that speaks for its family"),
    Column("value", "text", "", "The customer's value, in words"),
    Column("contribution", "number", "log-odds", "Share of the model's raw log-odds before calibration; they add up"),
    Column("words", "text", "", "The driver as a manager would say it"),
), "why, per customer: the strongest drivers first")

TABLES = (EVENTS, OFFER_HISTORY, SCORES, REASONS)
