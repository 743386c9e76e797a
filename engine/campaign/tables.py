"""The ledger's tables in the state database: campaigns, whom they touch and why, budgets, and what became of it.

    campaigns     one row each: draft, awaiting approval, approved, launched, closed
    planned       the rows of a campaign until it is launched
    assignments   who was assigned what; only ever added to. An erasure is the one exception (`erasing` names whom)
    exclusions    who was left out of a campaign, and why
    contacts      what reached whom when, for frequency caps and cooldowns
    outcomes      what became of those assigned
    budgets       what may be spent and what is spoken for, in hundredths of the currency
    suppressions  who must not be contacted, everywhere or through one channel
    feedback      what was done for one customer outside or inside a campaign, and what came of it
    desk_items, desk_history   the save desk's work and every step of it
"""

from __future__ import annotations

import sqlalchemy as sa

from engine.state import METADATA, NUMBER

STATUSES = ("draft", "awaiting approval", "approved", "launched", "closed")
DRAFT, AWAITING, APPROVED, LAUNCHED, CLOSED = STATUSES
WHOLE_DATASET = ""  # stands for every customer in `erasing`

ID = sa.String(32)
NAME = sa.String(64)
CUSTOMER = sa.Text()


def _campaign(**more: bool) -> sa.Column[str]:
    return sa.Column("campaign_id", ID, sa.ForeignKey("campaigns.id"), **more)  # type: ignore[arg-type]


def _decision() -> list[sa.Column]:
    """The columns of DECISIONS and of what is said, fresh for each table."""
    texts = [sa.Column(name, sa.Text(), nullable=False) for name in ("segment", "treatment", "channel")]
    names = ("churn_probability", "ltv_if_stays", "uplift", "expected_cost", "incremental_margin", "minutes",
             "propensity")
    figures: list[sa.Column] = [sa.Column(name, sa.Double(), nullable=True) for name in names]
    return [*texts, *figures, sa.Column("holdout", sa.Boolean(), nullable=False),
            sa.Column("message", sa.Text(), nullable=True), sa.Column("message_source", sa.String(40), nullable=True)]


CAMPAIGNS = sa.Table(
    "campaigns", METADATA,
    sa.Column("id", ID, primary_key=True),
    sa.Column("dataset", NAME, nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("model_id", sa.String(64), nullable=False),
    sa.Column("policy_id", sa.Text(), nullable=False),
    sa.Column("currency", sa.String(40), nullable=False),
    sa.Column("synthetic", sa.Boolean(), nullable=False),
    sa.Column("horizon_days", sa.Integer(), nullable=False),
    sa.Column("audience", sa.JSON(), nullable=False),
    sa.Column("constraints", sa.JSON(), nullable=False),
    sa.Column("figures", sa.JSON(), nullable=False),
    sa.Column("seed", NUMBER, nullable=False),
    sa.Column("holdout_share", sa.Double(), nullable=False),
    sa.Column("budget", sa.String(120), nullable=True),
    sa.Column("spend_cents", NUMBER, nullable=False),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("erased", sa.Integer(), nullable=False),
    sa.Column("launch_key", sa.String(200), nullable=True),
    sa.Column("note", sa.Text(), nullable=False),
    *(sa.Column(f"{step}_{what}", kind, nullable=step != "created")
      for step in ("created", "submitted", "approved", "launched", "closed")
      for what, kind in (("by", sa.Text()), ("at", sa.DateTime()))),
    sa.UniqueConstraint("dataset", "name"),
)
PLANNED = sa.Table(
    "planned", METADATA, _campaign(primary_key=True), sa.Column("customer_id", CUSTOMER, primary_key=True),
    *_decision(),
)
ASSIGNMENTS = sa.Table(
    "assignments", METADATA, _campaign(primary_key=True), sa.Column("customer_id", CUSTOMER, primary_key=True),
    *_decision(),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("model_id", sa.String(64), nullable=False),
    sa.Column("policy_id", sa.Text(), nullable=False),
    sa.Column("decided_at", sa.DateTime(), nullable=False),
    sa.Column("approved_by", sa.Text(), nullable=False),
)
EXCLUSIONS = sa.Table(
    "exclusions", METADATA, _campaign(primary_key=True), sa.Column("customer_id", CUSTOMER, primary_key=True),
    sa.Column("treatment", sa.Text(), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
)
CONTACTS = sa.Table(
    "contacts", METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("dataset", NAME, nullable=False),
    sa.Column("customer_id", CUSTOMER, nullable=False),
    _campaign(nullable=True),
    sa.Column("treatment", sa.Text(), nullable=False),
    sa.Column("channel", sa.Text(), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
    sa.Index(None, "dataset", "customer_id", "at"),
    sqlite_autoincrement=True,
)
OUTCOMES = sa.Table(
    "outcomes", METADATA, _campaign(primary_key=True), sa.Column("customer_id", CUSTOMER, primary_key=True),
    sa.Column("observed_at", sa.DateTime(), nullable=False),
    sa.Column("stayed", sa.Boolean(), nullable=False),
    sa.Column("revenue", sa.Double(), nullable=True),
    sa.Column("source", sa.Text(), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
)
BUDGETS = sa.Table(
    "budgets", METADATA,
    sa.Column("dataset", NAME, primary_key=True),
    sa.Column("name", sa.String(120), primary_key=True),
    sa.Column("total_cents", NUMBER, nullable=False),
    sa.Column("reserved_cents", NUMBER, nullable=False),
    sa.CheckConstraint("reserved_cents >= 0 AND reserved_cents <= total_cents", name="within"),
)
SUPPRESSIONS = sa.Table(
    "suppressions", METADATA,
    sa.Column("dataset", NAME, primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("who", CUSTOMER, primary_key=True),
    sa.Column("channel", sa.String(40), primary_key=True),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
)
FEEDBACK = sa.Table(
    "feedback", METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("dataset", NAME, nullable=False),
    sa.Column("customer_id", CUSTOMER, nullable=False),
    _campaign(nullable=True),
    sa.Column("action", sa.Text(), nullable=False),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("revenue_impact", sa.Double(), nullable=True),
    sa.Column("note", sa.Text(), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False, unique=True),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("at", sa.DateTime(), nullable=False),
    sa.Index(None, "dataset", "customer_id"),
    sqlite_autoincrement=True,
)
DESK_ITEMS = sa.Table(
    "desk_items", METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("dataset", NAME, nullable=False),
    sa.Column("customer_id", CUSTOMER, nullable=False),
    _campaign(nullable=True),
    sa.Column("treatment", sa.Text(), nullable=False),
    sa.Column("segment", sa.Text(), nullable=False),
    sa.Column("churn_probability", sa.Double(), nullable=False),
    sa.Column("incremental_margin", sa.Double(), nullable=False),
    sa.Column("minutes", sa.Double(), nullable=False),
    sa.Column("stage", sa.String(20), nullable=False),
    sa.Column("owner", sa.Text(), nullable=True),
    sa.Column("due", sa.Date(), nullable=True),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("outcome", sa.Text(), nullable=False),
    sa.Column("snoozed_until", sa.Date(), nullable=True),
    sa.Column("human_call", sa.String(10), nullable=True),
    sa.Column("human_treatment", sa.Text(), nullable=True),
    sa.Column("human_note", sa.Text(), nullable=False),
    sa.Column("human_by", sa.Text(), nullable=True),
    sa.Column("human_at", sa.DateTime(), nullable=True),
    sa.Column("created_at", sa.DateTime(), nullable=False),
    sa.Column("ended_at", sa.DateTime(), nullable=True),
    sa.Index(None, "dataset", "stage"),
    sqlite_autoincrement=True,
)
DESK_HISTORY = sa.Table(
    "desk_history", METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("item_id", NUMBER, sa.ForeignKey("desk_items.id"), nullable=False, index=True),
    sa.Column("at", sa.DateTime(), nullable=False),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("changes", sa.JSON(), nullable=False),
    sqlite_autoincrement=True,
)
ERASING = sa.Table(
    "erasing", METADATA,
    sa.Column("dataset", NAME, primary_key=True),
    sa.Column("customer_id", CUSTOMER, primary_key=True),
)
