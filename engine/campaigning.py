"""A campaign from plan to lists: one customer's way on from a decision, in reading order.

    draft(scope, decisions) -> campaign    contact rules, holdout, messages; nothing is promised to anybody yet
    approve, launch -> assignments         a second person above a limit; budget and rows in one transaction
    export(campaign, "klaviyo") -> files   from the ledger alone: those treated, whom nothing forbids today

What comes back, and what it proves, is in `settling`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy.engine import Connection

from engine import catalog, files, limits, planning, state
from engine.campaign import contact_rules, desk, holdout, ledger, suppression
from engine.campaign.contact_rules import TIMEZONE, History
from engine.campaign.ledger import Campaign, Launch
from engine.campaign.rules import Rules, rules
from engine.campaign.sendlist import Exported, export_rows
from engine.campaign.tables import ASSIGNMENTS, EXCLUSIONS, LAUNCHED, PLANNED
from engine.campaign.vendors import CALL_LIST, Settings
from engine.campaign.writers import Commission, write_messages, writer
from engine.decision.own_playbooks import playbook_for
from engine.decision.plan import Plan
from engine.decision.playbooks import LEAVE_ALONE
from engine.errors import DataError, EngineError
from engine.insight.source import Scope
from engine.insight.stopped import gone
from engine.insight.worklist import CALL
from engine.permissions import allow
from engine.schema import (
    CONTACT,
    DECISIONS,
    NOTHING_DONE,
    Actor,
    Dataset,
    jsonable,
    plural,
)

PLAN = "plan"
SEEDS = 2**31
MOST_EXPORTS, PER_SECONDS = 60, 3_600.0
WAITS = "quiet hours"
CONTACT_DATA = ("Bring contact data: name the columns in a mapping ([contact] email, phone, consent_email, "
                "consent_sms, consent_phone) and run the pipeline again")


# -------------------------------------------------------------------------------------------------------------- draft

def draft(scope: Scope, decisions: pd.DataFrame, *, name: str, sender: str = "", write: str = "template",
          holdout_share: float | None = None, seed: int | None = None, budget: str | None = None,
          policy_id: str = PLAN, told: Mapping[str, Mapping[str, Any]] | None = None, plan: Plan | None = None,
          actor: Actor, now: datetime) -> Campaign:
    """Write a plan's decisions down as a campaign; the same draft again is the same campaign.

    Args:
        decisions: the DECISIONS table of the scope's run; whoever is to be left alone is passed over.
        sender: the company as its customers know it; without one no messages are written. write: one of WRITERS.
        holdout_share: the dataset's rule unless given. seed: draws holdout and variants; from the name unless given.
        told: what to remember of the plan: "audience", "constraints", "figures". plan: whose decisions these are: then
            the figures tell beside its own total what it promises of those who are not held out, "treated".

    Raises:
        DataError: when the decisions break their contract.
        EngineError: when nobody is left to contact; says what is in the way.
    """
    allow(actor, "draft")
    known = rules(scope.dataset.name, actor=actor)
    rows = _to_contact(decisions)
    customers = contact_of(scope.dataset, rows["customer_id"])
    with state.reader() as connection:
        why = _why_not(connection, scope.dataset, rows, customers, known, now)
    kept, excluded = rows[why == ""], rows.assign(reason=why)[why != ""]
    if kept.empty:
        raise EngineError(_nobody(excluded))
    number = seed if seed is not None else int(ledger.campaign_id(scope.dataset.name, name), 16) % SEEDS
    share = known.holdout_share if holdout_share is None else holdout_share
    planned = _with_messages(scope, kept.assign(holdout=holdout.draw(kept, number, share)), customers, write, sender,
                             number, Commission(scope.dataset.name, actor, now))
    dataset, run, more = scope.dataset, scope.run, told or {}
    figures = {**more.get("figures", {}), **_promised(plan, planned)}
    asked = Campaign(
        ledger.campaign_id(dataset.name, name), dataset.name, name.strip(), run.run_id, run.version, run.model_id,
        policy_id, dataset.currency, dataset.synthetic, dataset.label.horizon_days, number, share,
        dict(more.get("audience", {})), dict(more.get("constraints", {})), figures, budget)
    return ledger.draft(asked, planned, excluded[["customer_id", "treatment", "reason"]], actor=actor, now=now)


def _promised(plan: Plan | None, planned: pd.DataFrame) -> dict[str, Any]:
    """What the plan promises of those treated, in plain values; nothing where no plan is given."""
    if plan is None:
        return {}
    total = plan.among(planned.loc[~planned["holdout"], "customer_id"])
    return {ledger.TREATED: jsonable({"customers": total.customers, "margin": total.margin})}


def _to_contact(decisions: pd.DataFrame) -> pd.DataFrame:
    """The decisions to do something, in order of customer_id."""
    findings = DECISIONS.validate(decisions)
    if findings:
        raise DataError(findings)
    acts = ~decisions["treatment"].isin([NOTHING_DONE, LEAVE_ALONE])
    rows = decisions.loc[acts, DECISIONS.names].sort_values("customer_id", ignore_index=True)
    if rows.empty:
        raise EngineError("The plan leaves everybody alone, so there is no campaign in it. Widen the audience, raise "
                          "the budget, or look at whom the contact rules leave out and what each guardrail costs.")
    return rows


def contact_of(dataset: Dataset, ids: pd.Series) -> pd.DataFrame:
    """What the data say of how to reach these customers, by customer_id; the columns that there are."""
    wanted = {*(column.name for column in CONTACT), TIMEZONE}
    return dataset.frame(set(ids), [name for name in dataset.names if name in wanted])


def _why_not(connection: Connection, dataset: Dataset, rows: pd.DataFrame, customers: pd.DataFrame, known: Rules,
             now: datetime) -> pd.Series:
    treatments = playbook_for(dataset).treatments
    rest = {name: treatment.cooldown_days for name, treatment in treatments.items()}
    listed = suppression.of_customers(connection, dataset.name, customers, list(rows["customer_id"]))
    past = ledger.contacts(connection, dataset.name, now, max([known.within_days, *rest.values()]))
    history = History(listed, past, ledger.held_out(connection, dataset.name, now))
    return contact_rules.left_out(rows, customers, history, known, rest, now)


def _nobody(excluded: pd.DataFrame) -> str:
    """Why nobody is left, the most frequent reason first, and what to do about it."""
    counts = excluded["reason"].value_counts()
    reasons = "; ".join(f"{plural(int(number), 'customer')}: {reason}" for reason, number in counts.head(3).items())
    missing = any("the data " in str(reason) for reason in counts.index)
    cure = (f"{CONTACT_DATA}, or plan for channels that need none, such as post."
            if missing else "Widen the audience, or wait until the rules let them be contacted again.")
    return f"Nobody of this plan may be contacted. {reasons}. {cure}"


def _with_messages(scope: Scope, rows: pd.DataFrame, customers: pd.DataFrame, write: str, sender: str, seed: int,
                   commission: Commission) -> pd.DataFrame:
    """Messages for those treated; the holdout gets none, and nobody does without a sender."""
    rows = rows.assign(message=None, message_source=None)
    if not sender.strip():
        return rows
    names = customers.get("first_name", pd.Series(dtype=object))
    treated = rows[~rows["holdout"]].assign(first_name=lambda those: those["customer_id"].map(names))
    made = write_messages(treated, playbook_for(scope.dataset), writer(write, commission), sender=sender, seed=seed,
                          reasons=scope.run.reasons())
    rows.loc[treated.index, ["message", "message_source"]] = made[["message", "message_source"]]
    return rows


# ------------------------------------------------------------------------------------------------- approve and launch

def approve(campaign: str, *, actor: Actor, now: datetime) -> Campaign:
    """Approve the campaign's spend, by the limit that the dataset's rules set; returns it. See `ledger.approve`."""
    there = ledger.get(campaign)
    return ledger.approve(campaign, rules(there.dataset, actor=actor).spend_limit, actor=actor, now=now)


def launch(campaign: str, key: str = "", *, actor: Actor, now: datetime) -> Launch:
    """Book the campaign. Whoever has been suppressed, contacted or held out elsewhere since the draft is left out."""
    there = ledger.get(campaign)
    known = rules(there.dataset, actor=actor)
    dataset = catalog.dataset(there.dataset, there.version)
    customers = contact_of(dataset, ledger.table_of(campaign, PLANNED)["customer_id"])

    def again(connection: Connection, rows: pd.DataFrame) -> pd.Series:
        return _why_not(connection, dataset, rows, customers, known, now)

    return ledger.launch(campaign, again, key, actor=actor, now=now)


# ------------------------------------------------------------------------------------------------------------- export

def sendable(campaign: str, *, actor: Actor, now: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Whom to contact now, with contact fields (ASSIGNMENTS and CONTACT columns), and who must wait, was suppressed or
    has left since (customer_id, reason). The holdout is in neither.

    Raises:
        EngineError: when the campaign is not under way.
    """
    allow(actor, "export")
    allow(actor, "contact")
    there = ledger.get(campaign)
    if there.status != LAUNCHED:
        raise EngineError(f'"{there.name}" is {there.status}; only a launched campaign that is not closed has a list '
                          "to send.")
    dataset = catalog.dataset(there.dataset)
    rows = ledger.table_of(campaign, ASSIGNMENTS)
    rows = rows[~rows["holdout"].astype(bool)]
    customers = contact_of(dataset, rows["customer_id"])
    why = _waits(rows, customers, rules(there.dataset, actor=actor), now)
    with state.reader() as connection:
        listed = suppression.of_customers(connection, dataset.name, customers, list(rows["customer_id"]))
    for stops in (contact_rules.suppressed(rows, History(listed)), gone(dataset.name, rows["customer_id"])):
        why = stops.where(stops != "", why)
    joined = rows.merge(customers.drop(columns=TIMEZONE, errors="ignore").reset_index(), on="customer_id", how="left")
    return (joined[(why == "").to_numpy()].reset_index(drop=True),
            rows.assign(reason=why).loc[why != "", ["customer_id", "channel", "reason"]].reset_index(drop=True))


def _waits(rows: pd.DataFrame, customers: pd.DataFrame, known: Rules, now: datetime) -> pd.Series:
    """Until when each customer is left in peace; "" = now will do."""
    places = rows["customer_id"].map(customers.get(TIMEZONE, {})).fillna("").astype(str)
    asked = list(zip(rows["channel"], places, strict=True))
    pairs = {pair: contact_rules.wait_until(pair[0], now, known, pair[1]) for pair in set(asked)}
    until = [pairs[pair] for pair in asked]
    return pd.Series([f"{WAITS} until {one:%Y-%m-%d %H:%M} UTC" if one else "" for one in until], rows.index)


def export(campaign: str, kind: str, folder: Path | None = None, *, settings: Settings | None = None, actor: Actor,
           now: datetime) -> tuple[Exported, pd.DataFrame]:
    """The campaign's list as the files that a tool imports, and who must wait; recorded in the audit log. Whoever was
    suppressed, withdrew consent or has left since the launch is among the rejected rows; the ledger keeps theirs.

    Args:
        kind: one of VENDORS. folder: where the files are written too; it is made if need be.
    """
    rows, waiting = sendable(campaign, actor=actor, now=now)
    if kind == CALL_LIST:
        rows, waiting = (frame[frame["channel"] == CALL].reset_index(drop=True) for frame in (rows, waiting))
    later = waiting["reason"].str.startswith(WAITS)
    waiting, stopped = waiting[later].reset_index(drop=True), waiting[~later]
    limits.within(actor, "export", MOST_EXPORTS, PER_SECONDS, now)
    there = ledger.get(campaign)
    if rows.empty:
        reasons = pd.concat([waiting, stopped])["reason"]
        number = plural(len(reasons), "customer")
        why = f"{number}, {reasons.mode().iloc[0]}" if len(reasons) else number
        raise EngineError(f'Nobody of "{there.name}" may be contacted at this moment: {why}.')
    made = export_rows(rows, kind, settings or Settings(there.name, synthetic=there.synthetic), stopped, now=now)
    if folder is not None:
        for name, content in made.files.items():
            files.write_bytes(folder / name, content)
    state.record(actor, "export", there.dataset, now, {
        "campaign": campaign, "format": kind, "rows": len(rows), "rejected": len(made.rejected),
        "waiting": len(waiting), "files": {name: sha256(content).hexdigest() for name, content in made.files.items()}})
    return made, waiting


# ----------------------------------------------------------------------------------------------------------- the desk

def to_desk(scope: Scope, decisions: pd.DataFrame, *, actor: Actor, now: datetime) -> tuple[int, pd.DataFrame]:
    """Put those on the save desk whose decision takes an agent's time, without a campaign.

    Returns how many are new there, and whom consent, suppression, the contact rules or a holdout keeps off it
    (customer_id, treatment, reason).
    """
    allow(actor, "desk")
    rows = decisions[decisions["minutes"].fillna(0) > 0].reset_index(drop=True)
    customers = contact_of(scope.dataset, rows["customer_id"])
    known = rules(scope.dataset.name, actor=actor)
    with state.reader() as connection:
        why = _why_not(connection, scope.dataset, rows, customers, known, now)
    out = rows.assign(reason=why).loc[why != "", ["customer_id", "treatment", "reason"]]
    return desk.put(scope.dataset.name, rows[why == ""], actor=actor, now=now), out.reset_index(drop=True)


def one_to_desk(scope: Scope, customer_id: str, *, actor: Actor, now: datetime) -> bool:
    """Put one customer on the save desk with the best offer that takes an agent's time; whether they are new there.

    Raises:
        EngineError: if there is no such customer, or every such offer is forbidden; says by what.
    """
    name = scope.dataset.name
    found = planning.recommend(name, customer_id, run_id=scope.run.run_id, actor=actor, now=now)
    spoken = [offer for offer in found["alternatives"] if offer["minutes"] > 0]
    if not spoken:
        raise EngineError("The playbook holds no offer to this customer that takes an agent's time.")
    best = spoken[0]
    if best["blocked_by"]:
        raise EngineError(f"{customer_id} stays off the desk. {best['blocked_by']}")
    number, out = to_desk(scope, pd.DataFrame([{**found, **best}]), actor=actor, now=now)
    if len(out):
        raise EngineError(f"{customer_id} stays off the desk: {out['reason'].iloc[0]}.")
    return number == 1


# -------------------------------------------------------------------------------------------------------- told to all

def described(campaign: str, *, actor: Actor) -> dict[str, Any]:
    """A campaign in plain values: its record, how many are treated, held out and left out, by what reason, and what
    whoever approves it must know of it."""
    allow(actor, "campaigns")
    there = ledger.get(campaign)
    rows = ledger.table_of(campaign, ASSIGNMENTS if there.step(LAUNCHED) else PLANNED)
    held = rows["holdout"].astype(bool)
    out = ledger.table_of(campaign, EXCLUSIONS)
    by = rows[~held].groupby("treatment")["expected_cost"].agg(["size", "sum"])
    return {**{name: value for name, value in asdict(there).items() if name not in ("spend_cents", "content_sha256")},
            "spend": there.spend, "ends": there.ends, "treated": int((~held).sum()), "held_out": int(held.sum()),
            "left_out": out["reason"].map(_kind).value_counts().to_dict(), "warnings": _warnings(rows, out),
            "treatments": {str(name): {"customers": int(row["size"]), "expected_cost": float(row["sum"])}
                           for name, row in by.iterrows()}}


def _warnings(rows: pd.DataFrame, out: pd.DataFrame) -> list[str]:
    """That most of those whom the plan meant are left out because the data lack what reaches them, where so."""
    lost, planned = int(out["reason"].map(contact_rules.wanting).sum()), len(rows) + len(out)
    if 2 * lost <= planned:
        return []
    return [f"{lost:,} of {plural(planned, 'customer')} in the plan are left out because the data hold no address of "
            "theirs or do not say who agreed: what the plan promises, this campaign cannot bring. "
            f"{CONTACT_DATA} and draft it again."]


def members(campaign: str, *, actor: Actor) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everybody in it, planned or assigned, with what is said (the holdout too); and who was left out, with reason."""
    allow(actor, "customers")
    there = ledger.get(campaign)
    return (ledger.table_of(campaign, ASSIGNMENTS if there.step(LAUNCHED) else PLANNED),
            ledger.table_of(campaign, EXCLUSIONS))


def _kind(reason: str) -> str:
    """The reason without what is peculiar to one customer.

    >>> _kind("had the same offer on 2024-05-12; it rests for 30 days"), _kind("no consent to e-mail")
    ('had the same offer', 'no consent to e-mail')
    """
    for common in ("had the same offer", "on the suppression list", "contacted"):
        if reason.startswith(common):
            return common
    return reason
