"""The verbs of campaigns on the command line: campaign draft/list/show/..., feedback, suppress, desk."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import cards_campaign
from engine.errors import EngineError
from engine.grammar import Printed, Verb, moment, narrowed, narrowing, verb
from engine.permissions import acting, allow
from engine.schema import jsonable

if TYPE_CHECKING:
    from engine.campaign.ledger import Campaign

Spell = Callable[[argparse.ArgumentParser], None]


def add(verbs: Any) -> None:
    """Add the verbs to the command line."""
    campaign = verbs.add_parser("campaign", help="write a plan down, launch it, and measure what it saved",
                                description="From a plan to a measured result.")
    steps = campaign.add_subparsers(required=True, metavar="STEP", parser_class=Verb)
    for name, does, says, spell in STEPS:
        made = verb(steps, name, does, says, spell)
        made.add_argument("--dataset", required=True)
        if name not in WITHOUT_ONE:
            made.add_argument("--campaign", required=True, metavar="NAME", help="its name or id")
    for name, does, says, spell in OTHERS:
        verb(verbs, name, does, says, spell).add_argument("--dataset", required=True)


def _one(asked: argparse.Namespace) -> Campaign:
    from engine.campaign import ledger

    allow(acting(), "campaigns")
    return ledger.named(asked.dataset, asked.campaign)


def _told(campaign: Campaign, **more: Any) -> Printed:
    from engine import campaigning

    return {**campaigning.described(campaign.id, actor=acting()), **more}, cards_campaign.campaign


# ---------------------------------------------------------------------------------------------------------- campaigns

def _draft_options(draft: argparse.ArgumentParser) -> None:
    from engine.campaign.writers import WRITERS

    draft.add_argument("--name", required=True, help="what to call the campaign")
    draft.add_argument("--run", help="a scoring run; the current one when left out")
    draft.add_argument("--money", type=float, help="the most to spend; the playbook's when left out")
    narrowing(draft)
    draft.add_argument("--only", action="append", default=[], metavar="TREATMENT", help="only this; repeat for more")
    draft.add_argument("--holdout", type=float, help="share kept untreated to measure; the dataset's rule if left out")
    draft.add_argument("--seed", type=int, help="draws holdout and variants; from the name when left out")
    draft.add_argument("--budget", help="the budget that the launch reserves from")
    draft.add_argument("--sender", default="", help="the company as customers know it; without it no messages are made")
    draft.add_argument("--writer", default="template", choices=sorted(WRITERS))


def _draft(asked: argparse.Namespace) -> Printed:
    from engine import campaigning, insight, planning
    from engine.decision.constraints import Constraints

    allow(acting(), "draft")
    place, filters = insight.scope(asked.dataset, asked.run), narrowed(asked)
    plan = planning.plan(place, Constraints(budget=asked.money, only=tuple(asked.only)), insight.Filters(filters),
                         actor=acting(), now=asked.now)
    record = planning.described(place, plan)
    told = {"audience": {name: list(values) for name, values in filters.items() if values},
            "constraints": record["constraints"], "figures": record["total"]}
    made = campaigning.draft(place, plan.decisions(), name=asked.name, sender=asked.sender, write=asked.writer,
                             holdout_share=asked.holdout, seed=asked.seed, budget=asked.budget, told=told,
                             plan=plan, actor=acting(), now=asked.now)
    return _told(made)


def _list(asked: argparse.Namespace) -> Printed:
    from engine.campaign import ledger

    allow(acting(), "campaigns")
    rows = [{"name": one.name, "id": one.id, "status": one.status, "spend": one.spend, "currency": one.currency,
             "created_by": one.steps["created"].by if one.steps else "", "budget": one.budget}
            for one in ledger.campaigns(asked.dataset)]
    return {"dataset": asked.dataset, "campaigns": rows}, cards_campaign.campaigns


def _show(asked: argparse.Namespace) -> Printed:
    return _told(_one(asked))


def _submit(asked: argparse.Namespace) -> Printed:
    from engine.campaign import ledger

    return _told(ledger.submit(_one(asked).id, actor=acting(), now=asked.now))


def _approve(asked: argparse.Namespace) -> Printed:
    from engine import campaigning

    return _told(campaigning.approve(_one(asked).id, actor=acting(), now=asked.now))


def _launch_options(launch: argparse.ArgumentParser) -> None:
    launch.add_argument("--key", default="", help="names this launch, so that the same one again changes nothing")


def _launch(asked: argparse.Namespace) -> Printed:
    from engine import campaigning

    done = campaigning.launch(_one(asked).id, asked.key, actor=acting(), now=asked.now)
    return _told(done.campaign, replayed=done.replayed)


def _export_options(export: argparse.ArgumentParser) -> None:
    from engine.campaign.vendors import VENDORS

    export.add_argument("--to", required=True, choices=sorted(VENDORS), help="the tool that imports it, or a format")
    export.add_argument("--output", required=True, type=Path, help="a folder for the files")
    export.add_argument("--country", default="", help="two letters, for telephone numbers without a country code")
    export.add_argument("--salesforce-campaign", default="", metavar="ID", help="the campaign's id in Salesforce")


def _export(asked: argparse.Namespace) -> Printed:
    from engine import campaigning
    from engine.campaign.vendors import Settings

    there = _one(asked)
    settings = Settings(there.name, country=asked.country, salesforce_campaign=asked.salesforce_campaign,
                        synthetic=there.synthetic)
    made, waiting = campaigning.export(there.id, asked.to, asked.output, settings=settings, actor=acting(),
                                       now=asked.now)
    return {"campaign": there.name, "folder": str(asked.output), "files": sorted(made.files),
            "rejected": made.rejected["reason"].value_counts().to_dict(),
            "waiting": waiting["reason"].value_counts().to_dict(), "manifest": jsonable(made.manifest)
            }, cards_campaign.exported


def _outcomes_options(outcomes: argparse.ArgumentParser) -> None:
    whence = outcomes.add_mutually_exclusive_group(required=True)
    whence.add_argument("--input", type=Path, help="a file: customer_id (or email), stayed (or churned), perhaps "
                        "revenue")
    whence.add_argument("--form", type=Path, metavar="FILE", help="write a CSV of everybody treated or held out there, "
                        "to be filled in")
    whence.add_argument("--from-data", action="store_true", help="read who has left from the dataset's newer version")
    outcomes.add_argument("--observed-at", type=moment, help="when it was seen, for rows that do not say so")
    outcomes.add_argument("--correct", action="store_true", help="replace what the ledger says otherwise")


def _outcomes(asked: argparse.Namespace) -> Printed:
    from engine import settling

    there, who = _one(asked), acting()
    if asked.form:
        return _form(there, asked)
    if asked.from_data:
        done, rejected = settling.settle_from_data(there.id, correct=asked.correct, actor=who, now=asked.now), []
    else:
        done, read = settling.settle_file(there.id, asked.input, observed_at=asked.observed_at,
                                          correct=asked.correct, actor=who, now=asked.now)
        rejected = read.rejected.to_dict("records")
    return {"campaign": there.name, **jsonable(done), "rejected": jsonable(rejected)}, cards_campaign.settled


def _form(there: Campaign, asked: argparse.Namespace) -> Printed:
    from engine import files, settling

    _, content = settling.outcome_form(there.id, actor=acting(), now=asked.now)
    files.write_bytes(asked.form, content)
    rows = content.count(b"\n") - 1
    return {"campaign": there.name, "form": str(asked.form), "customers": rows}, cards_campaign.form


def _result(asked: argparse.Namespace) -> Printed:
    from engine import settling
    from engine.evidence.results import in_words

    there = _one(asked)
    found = settling.result(there.id, actor=acting())
    return {"campaign": there.name, "dataset": there.dataset, "currency": there.currency, "synthetic": there.synthetic,
            "says": in_words(found.whole, there.currency), **jsonable(found)}, cards_campaign.result


def _close_options(close: argparse.ArgumentParser) -> None:
    close.add_argument("--note", default="", help="why, or what was learned")


def _close(asked: argparse.Namespace) -> Printed:
    from engine.campaign import ledger

    return _told(ledger.close(_one(asked).id, asked.note, actor=acting(), now=asked.now))


def _budget_options(budget: argparse.ArgumentParser) -> None:
    budget.add_argument("--name", help="the budget to make or to change; all are listed when left out")
    budget.add_argument("--total", type=float, help="what may be spent")


def _budget(asked: argparse.Namespace) -> Printed:
    from engine.campaign import budgets

    if (asked.name is None) != (asked.total is None):
        raise EngineError("To make or change a budget, give both --name and --total; to list them, neither.")
    if asked.name is not None:
        budgets.set_budget(asked.dataset, asked.name, asked.total, actor=acting(), now=asked.now)
    rows = [{**jsonable(one), "left": one.left} for one in budgets.budgets(asked.dataset, actor=acting())]
    return {"dataset": asked.dataset, "budgets": rows}, cards_campaign.budgets


def _rules_options(rules: argparse.ArgumentParser) -> None:
    rules.add_argument("--set", action="append", default=[], metavar="RULE=VALUE", help="change it; repeat for more")


def _rules(asked: argparse.Namespace) -> Printed:
    from engine.campaign.rules import read_changes, rules, set_rules

    changes = read_changes(asked.set)
    found = set_rules(asked.dataset, changes, actor=acting(), now=asked.now) if changes else rules(
        asked.dataset, actor=acting())
    return {"dataset": asked.dataset, **jsonable(found)}, cards_campaign.rules


# ---------------------------------------------------------------------------------------------------------- one by one

def _feedback_options(feedback: argparse.ArgumentParser) -> None:
    feedback.add_argument("--customer-id", required=True)
    feedback.add_argument("--action", required=True, help="what was done")
    feedback.add_argument("--outcome", required=True, choices=("stayed", "left", "open"))
    feedback.add_argument("--revenue-impact", type=float, metavar="MONEY", help="what it brought or cost")
    feedback.add_argument("--campaign", help="the campaign it was done for, by name or id")
    feedback.add_argument("--note", default="")


def _feedback(asked: argparse.Namespace) -> Printed:
    from engine import settling

    campaign = _one(asked).id if asked.campaign else None
    done = settling.feedback(asked.dataset, asked.customer_id, asked.action, asked.outcome, asked.revenue_impact,
                             campaign=campaign, note=asked.note, actor=acting(), now=asked.now)
    return done, cards_campaign.feedback


def _suppress_options(suppress: argparse.ArgumentParser) -> None:
    from engine.campaign.suppression import CHANNELS

    who = suppress.add_mutually_exclusive_group()
    who.add_argument("--customer-id")
    who.add_argument("--address", help="an e-mail address or a telephone number; kept as a keyed hash")
    who.add_argument("--input", type=Path, help="a file with customer_id, email or phone, perhaps channel and reason")
    suppress.add_argument("--channel", default="all", choices=sorted(CHANNELS))
    suppress.add_argument("--reason", default="")
    suppress.add_argument("--lift", action="store_true", help="take off the list")


def _suppress(asked: argparse.Namespace) -> Printed:
    from engine import catalog
    from engine.campaign import suppression
    from engine.campaign.suppression import BY_ADDRESS, BY_ID, Entry

    catalog.dataset(asked.dataset)
    who = acting()
    done: dict[str, Any] = {}
    name = asked.customer_id or asked.address
    one = Entry(name, asked.channel, asked.reason, BY_ID if asked.customer_id else BY_ADDRESS) if name else None
    if one and asked.lift:
        done = {"lifted": suppression.lift(asked.dataset, one, actor=who, now=asked.now)}
    elif one or asked.input:
        from engine.data.readers import read_raw

        entries = [one] if one else suppression.from_file(read_raw(asked.input).frame, asked.input.name, asked.channel)
        done = dict(suppression.suppress(asked.dataset, entries, actor=who, now=asked.now))
    rows = [jsonable(row) for row in suppression.suppressed(asked.dataset, actor=who)]
    return {"dataset": asked.dataset, **done, "suppressed": rows}, cards_campaign.suppressed


def _desk_options(desk: argparse.ArgumentParser) -> None:
    desk.add_argument("--minutes", type=float, help="what the day holds; the dataset's rule when left out")
    desk.add_argument("--owner", help="only this person's, and what nobody has")
    desk.add_argument("--item", type=int, help="change this one, by its number")
    for field in ("stage", "owner", "reason", "outcome"):
        desk.add_argument(f"--set-{field}", dest=f"set_{field}")
    for field in ("due", "snoozed-until"):
        desk.add_argument(f"--set-{field}", dest=f"set_{field.replace('-', '_')}",
                          type=lambda text: moment(text).date())
    desk.add_argument("--override", choices=("leaves", "stays"), help="you know better than the model; say why")
    desk.add_argument("--note", default="")


def _desk(asked: argparse.Namespace) -> Printed:
    from engine import settling
    from engine.campaign import desk
    from engine.campaign.rules import rules
    from engine.insight.stopped import stopped

    who, now = acting(), asked.now
    changes = {name: value for name in desk.CHANGED_BY_HAND if (value := getattr(asked, f"set_{name}")) is not None}
    if (changes or asked.override) and asked.item is None:
        raise EngineError("Say which one to change: --item NUMBER.")
    if asked.override:
        desk.override(asked.item, asked.override, asked.note, actor=who, now=now)
    if changes:
        desk.change(asked.item, changes, actor=who, now=now)
    minutes = rules(asked.dataset, actor=who).desk_minutes if asked.minutes is None else asked.minutes
    barred = stopped(asked.dataset, actor=who)
    found = desk.worklist(asked.dataset, minutes, now.date(), owner=asked.owner, stopped=barred, actor=who)
    rows = [{**jsonable(item), "due": str(item.due or ""), "snoozed_until": str(item.snoozed_until or ""),
             "margin_per_minute": item.margin_per_minute} for item in found.today]
    return {"dataset": asked.dataset, "day": now.date().isoformat(), "capacity_minutes": minutes,
            "minutes": found.minutes, "margin": found.margin, "today": rows, "later": len(found.later),
            "stopped": barred,
            "overrides": jsonable(settling.overrides(asked.dataset, actor=who))}, cards_campaign.desk


STEPS: tuple[tuple[str, Callable[[argparse.Namespace], Printed], str, Spell | None], ...] = (
    ("draft", _draft, "plan, and write the plan down with its holdout and messages", _draft_options),
    ("list", _list, "list a dataset's campaigns", None),
    ("show", _show, "show a campaign: who is in it, who is left out and why, what it costs", None),
    ("submit", _submit, "ask for approval", None),
    ("approve", _approve, "approve what it will spend; above the limit a second person must", None),
    ("launch", _launch, "book it: assignments and budget in one transaction", _launch_options),
    ("export", _export, "write the list to send as the files that a tool imports", _export_options),
    ("outcomes", _outcomes, "write down who stayed", _outcomes_options),
    ("result", _result, "what it saved, against the holdout", None),
    ("close", _close, "end it, or withdraw it before the launch", _close_options),
    ("budget", _budget, "list budgets, make one or change its total", _budget_options),
    ("rules", _rules, "show or change the spend limit, contact caps and quiet hours", _rules_options),
)
WITHOUT_ONE = frozenset({"draft", "list", "budget", "rules"})
OTHERS: tuple[tuple[str, Callable[[argparse.Namespace], Printed], str, Spell | None], ...] = (
    ("feedback", _feedback, "write down what was done for one customer, and what came of it", _feedback_options),
    ("suppress", _suppress, "show the suppression list, add to it or take off", _suppress_options),
    ("desk", _desk, "the save desk: whom to speak with today, and how it stands", _desk_options),
)
