"""The tables of deciding and acting: priced offers, decisions, what was assigned to whom, and what became of it."""

from __future__ import annotations

from engine.schema.columns import Column, Table
from engine.schema.tables import CUSTOMER_ID, SCORES

NOTHING_DONE = "none"
CAMPAIGN_ID = Column("campaign_id", "id", "", "The campaign", nullable=False)
TREATMENT = Column("treatment", "category", "", f'The offer\'s name in the playbook; "{NOTHING_DONE}" = leave alone',
                   nullable=False)
CHANNEL = Column("channel", "category", "", "How it reaches the customer: email, sms, phone, post, app, none")
UPLIFT = Column("uplift", "number", "share 0..1",
                "Chance to leave without the treatment minus with it; positive is good", -1, 1)
EXPECTED_COST = Column("expected_cost", "number", "currency", "Contact, and the offer times the chance that it is "
                       "taken, by those who would have stayed anyway too", 0)
INCREMENTAL_MARGIN = Column("incremental_margin", "number", "currency", "uplift x ltv_if_stays - expected_cost")
MINUTES = Column("minutes", "number", "minutes", "A person's time that the contact takes", 0)
PROPENSITY = Column("propensity", "number", "share 0..1", "Chance that the policy gave the chosen treatment", 0, 1)

OFFERS = Table("OFFERS", ("customer_id", "treatment"), (
    CUSTOMER_ID,
    TREATMENT,
    CHANNEL,
    UPLIFT,
    Column("uplift_low", "number", "share 0..1", "Lower end of the 90 % interval of the uplift", -1, 1),
    Column("uplift_high", "number", "share 0..1", "Upper end of the 90 % interval of the uplift", -1, 1),
    EXPECTED_COST,
    INCREMENTAL_MARGIN,
    Column("margin_low", "number", "currency", "Lower end of the 90 % interval of the incremental margin"),
    Column("margin_high", "number", "currency", "Upper end of the 90 % interval of the incremental margin"),
    Column("roi", "number", "ratio", "incremental_margin / expected_cost; nothing else is ROI"),
    Column("payback_days", "number", "days", "Days of the customer's margin at today's rate that the cost takes", 0),
    MINUTES,
    Column("blocked_by", "text", "", "The guardrail that forbids the offer, in words; empty = allowed"),
), "each customer's possible offers, priced: what guardrails strike from and budgets choose from")

DECISIONS = Table("DECISIONS", ("customer_id",), (
    CUSTOMER_ID,
    SCORES["segment"],
    SCORES["churn_probability"],
    SCORES["ltv_if_stays"],
    TREATMENT,
    CHANNEL,
    UPLIFT,
    EXPECTED_COST,
    INCREMENTAL_MARGIN,
    MINUTES,
    PROPENSITY,
), "the offer chosen for each customer")

ASSIGNMENTS = Table("ASSIGNMENTS", ("campaign_id", "customer_id"), (
    CAMPAIGN_ID,
    *DECISIONS,
    Column("holdout", "flag", "", "Kept untreated to measure what the others gain", 0, 1, nullable=False),
    Column("message", "text", "", "What is said to the customer; empty for the holdout and for channels without text"),
    Column("message_source", "category", "", "Who wrote it: template, llm, or a person"),
    Column("run_id", "id", "", "The scoring run that the decision rests on"),
    Column("model_id", "id", "", "The model that scored"),
    Column("policy_id", "id", "", "The rule that chose"),
    Column("decided_at", "date", "UTC", "When the campaign was launched", nullable=False),
    Column("approved_by", "text", "", "Who approved the spend"),
), "who was assigned what, and why: append-only, every exported row is one of these")

OUTCOMES = Table("OUTCOMES", ("campaign_id", "customer_id"), (
    CAMPAIGN_ID,
    CUSTOMER_ID,
    Column("observed_at", "date", "UTC", "When it was seen", nullable=False),
    Column("stayed", "flag", "", "The customer was still there at the end of the label's window", 0, 1, nullable=False),
    Column("revenue", "number", "currency", "What the customer paid within the label's window after the decision"),
), "what became of those assigned, treated and held out")

CAMPAIGN_TABLES = (OFFERS, DECISIONS, ASSIGNMENTS, OUTCOMES)
