"""The ledger: campaigns and whom they touch; assignments only grow, budgets cannot be overspent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SAYS = "assignments can only be added to"
SPARED = """EXISTS (SELECT 1 FROM erasing JOIN campaigns ON campaigns.dataset = erasing.dataset
            WHERE campaigns.id = OLD.campaign_id AND erasing.customer_id IN ('', OLD.customer_id))"""

APPEND_ONLY = {
    "sqlite": [
        f"""CREATE TRIGGER assignments_no_update BEFORE UPDATE ON assignments
            BEGIN SELECT RAISE(ABORT, '{SAYS}'); END""",
        f"""CREATE TRIGGER assignments_no_delete BEFORE DELETE ON assignments WHEN NOT {SPARED}
            BEGIN SELECT RAISE(ABORT, '{SAYS}'); END""",
    ],
    "postgresql": [
        f"""CREATE FUNCTION assignments_only_grow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN
                IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' THEN
                    IF {SPARED} THEN RETURN OLD; END IF;
                END IF;
                RAISE EXCEPTION '{SAYS}';
            END $$""",
        """CREATE TRIGGER assignments_only_grow BEFORE UPDATE OR DELETE ON assignments
           FOR EACH ROW EXECUTE FUNCTION assignments_only_grow()""",
        """CREATE TRIGGER assignments_not_emptied BEFORE TRUNCATE ON assignments
           FOR EACH STATEMENT EXECUTE FUNCTION assignments_only_grow()""",
    ],
}


def upgrade() -> None:
    """Create the tables, the campaigns first, for the others point at them."""
    _create("campaigns", _campaign_columns(), ["id"], sa.UniqueConstraint(
        "dataset", "name", name=op.f("uq_campaigns_dataset")))
    both = ["campaign_id", "customer_id"]
    _create("planned", [*_key(), *_decision()], both)
    _create("assignments", [*_key(), *_decision(), _text("run_id", 64), _text("model_id", 64), _text("policy_id"),
                            _moment("decided_at"), _text("approved_by")], both)
    _create("exclusions", [*_key(), _text("treatment"), _text("reason"), _moment("at")], both)
    _create("outcomes", [*_key(), _moment("observed_at"), sa.Column("stayed", sa.Boolean(), nullable=False),
                         _figure("revenue"), _text("source"), _moment("at")], both)
    _create_what_is_of_a_dataset()
    _create_desk()
    for statement in APPEND_ONLY[op.get_context().dialect.name]:
        op.execute(statement)


def _create_what_is_of_a_dataset() -> None:
    who = [_text("dataset", 64), _text("customer_id")]
    _create("contacts", [_number(), *who, _campaign(True), _text("treatment"), _text("channel"), _moment("at")])
    op.create_index(op.f("ix_contacts_dataset"), "contacts", ["dataset", "customer_id", "at"])
    _create("budgets", [_text("dataset", 64), _text("name", 120), _whole("total_cents"), _whole("reserved_cents")],
            ["dataset", "name"], sa.CheckConstraint("reserved_cents >= 0 AND reserved_cents <= total_cents",
                                                    name=op.f("ck_budgets_within")))
    _create("suppressions", [_text("dataset", 64), _text("kind", 20), _text("who"), _text("channel", 40),
                             _text("reason"), _text("actor"), _moment("at")], ["dataset", "kind", "who", "channel"])
    _create("feedback", [_number(), *(column.copy() for column in who), _campaign(True), _text("action"),
                         _text("outcome", 20), _figure("revenue_impact"), _text("note"), _text("fingerprint", 64),
                         _text("actor"), _moment("at")], ["id"],
            sa.UniqueConstraint("fingerprint", name=op.f("uq_feedback_fingerprint")))
    op.create_index(op.f("ix_feedback_dataset"), "feedback", ["dataset", "customer_id"])
    _create("erasing", [column.copy() for column in who], ["dataset", "customer_id"])


def _create_desk() -> None:
    _create("desk_items", [
        _number(), _text("dataset", 64), _text("customer_id"), _campaign(True), _text("treatment"), _text("segment"),
        *(_figure(name, False) for name in ("churn_probability", "incremental_margin", "minutes")),
        _text("stage", 20), _text("owner", empty=True), sa.Column("due", sa.Date()), _text("reason"), _text("outcome"),
        sa.Column("snoozed_until", sa.Date()), _text("human_call", 10, True), _text("human_treatment", empty=True),
        _text("human_note"), _text("human_by", empty=True), _moment("human_at", True), _moment("created_at"),
        _moment("ended_at", True),
    ])
    op.create_index(op.f("ix_desk_items_dataset"), "desk_items", ["dataset", "stage"])
    _create("desk_history", [_number(), _whole("item_id"), _moment("at"), _text("actor"),
                             sa.Column("changes", sa.JSON(), nullable=False)], ["id"],
            sa.ForeignKeyConstraint(["item_id"], ["desk_items.id"], name=op.f("fk_desk_history_item_id_desk_items")))
    op.create_index(op.f("ix_desk_history_item_id"), "desk_history", ["item_id"])


def _create(table: str, columns: list[sa.Column], key: list[str] | None = None, *constraints: sa.Constraint) -> None:
    points = [sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f(f"fk_{table}_campaign_id_campaigns"))
              ] if any(column.name == "campaign_id" for column in columns) else []
    op.create_table(table, *columns, sa.PrimaryKeyConstraint(*(key or ["id"]), name=op.f(f"pk_{table}")), *points,
                    *constraints, sqlite_autoincrement=any(column.autoincrement is True for column in columns))


def _campaign_columns() -> list[sa.Column]:
    steps = [column for step in ("created", "submitted", "approved", "launched", "closed")
             for column in (_text(f"{step}_by", empty=step != "created"), _moment(f"{step}_at", step != "created"))]
    return [
        _text("id", 32), _text("dataset", 64), _text("name", 200), _text("status", 20), _text("run_id", 64),
        _text("version", 64), _text("model_id", 64), _text("policy_id"), _text("currency", 40),
        sa.Column("synthetic", sa.Boolean(), nullable=False), sa.Column("horizon_days", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in ("audience", "constraints", "figures")),
        _whole("seed"), _figure("holdout_share", False), _text("budget", 120, True), _whole("spend_cents"),
        _text("content_sha256", 64), sa.Column("erased", sa.Integer(), nullable=False), _text("launch_key", 200, True),
        _text("note"), *steps,
    ]


def _key() -> list[sa.Column]:
    return [_campaign(), _text("customer_id")]


def _decision() -> list[sa.Column]:
    names = ("churn_probability", "ltv_if_stays", "uplift", "expected_cost", "incremental_margin", "minutes",
             "propensity")
    return [*(_text(name) for name in ("segment", "treatment", "channel")), *(_figure(name) for name in names),
            sa.Column("holdout", sa.Boolean(), nullable=False), _text("message", empty=True),
            _text("message_source", 40, True)]


def _campaign(empty: bool = False) -> sa.Column:
    return _text("campaign_id", 32, empty)


def _text(name: str, length: int | None = None, empty: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=empty)


def _figure(name: str, empty: bool = True) -> sa.Column:
    return sa.Column(name, sa.Double(), nullable=empty)


def _moment(name: str, empty: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(), nullable=empty)


def _whole(name: str) -> sa.Column:
    return sa.Column(name, NUMBER, nullable=False)


def _number() -> sa.Column:
    return sa.Column("id", NUMBER, autoincrement=True, nullable=False)


def downgrade() -> None:
    """Drop them, the campaigns last."""
    for table in ("desk_history", "desk_items", "feedback", "suppressions", "budgets", "contacts", "outcomes",
                  "exclusions", "assignments", "planned", "erasing", "campaigns"):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION assignments_only_grow()")
