"""The verbs that decide, on the command line: plan, recommend, playbook."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import cards_plan
from engine.errors import EngineError
from engine.grammar import Printed, narrowed, narrowing, verb
from engine.permissions import acting, allow

if TYPE_CHECKING:
    from engine.decision.constraints import Constraints
    from engine.decision.effects import Effects
    from engine.decision.plan import Plan
    from engine.decision.treatments import Playbook


def add(verbs: Any) -> None:
    """Add the verbs to the command line."""
    verb(verbs, "plan", _plan, "choose whom to contact with what, within a budget and what teams can carry",
         _plan_options)
    recommend = verb(verbs, "recommend", _recommend, "what to do for one customer, and why nothing else")
    recommend.add_argument("--dataset", required=True)
    recommend.add_argument("--customer-id", required=True)
    recommend.add_argument("--run", help="a scoring run; the current one when left out")
    recommend.add_argument("--method", default="auto", help="auto, expected_margin or playbook")
    verb(verbs, "playbook", _playbook, "show a playbook, or check one that you write", _playbook_options)


def _plan_options(plan: argparse.ArgumentParser) -> None:
    from engine.decision.guardrails import GUARDS

    plan.add_argument("--dataset", required=True)
    plan.add_argument("--run", help="a scoring run; the current one when left out")
    plan.add_argument("--budget", type=float, metavar="MONEY", help="the most to spend; the playbook's when left out")
    plan.add_argument("--days", type=float, help="working days over which the plan is carried out")
    narrowing(plan)
    plan.add_argument("--audience", help="only the customers of this saved audience")
    plan.add_argument("--only", action="append", default=[], metavar="TREATMENT", help="only this one; repeat for more")
    for option, what in (("most", "customers of a treatment"), ("channel", "contacts through a channel"),
                         ("team", "minutes of a team")):
        plan.add_argument(f"--{option}", action="append", default=[], metavar="NAME=NUMBER", type=_limit,
                          help=f"the most {what}, over the whole plan; repeat for more")
    plan.add_argument("--without", action="append", default=[], metavar="GUARDRAIL", help="put this one aside: "
                      + ", ".join(name for name, guard in GUARDS.items() if guard.asked))
    plan.add_argument("--method", default="auto", help="auto, milp, lp, dual or greedy")
    plan.add_argument("--output", type=Path, help="a .csv or .parquet file for the decisions")


def _limit(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is no limit; write it as loyalty_discount=100.") from problem


def _constraints(asked: argparse.Namespace) -> Constraints:
    from engine.decision.constraints import Constraints

    return Constraints(asked.budget, asked.days, dict(asked.most), dict(asked.channel), dict(asked.team),
                       tuple(asked.only), tuple(asked.without), asked.method)


def _plan(asked: argparse.Namespace) -> Printed:
    from engine import insight, planning
    from engine.insight.audiences import audience

    place, filters = insight.scope(asked.dataset, asked.run), insight.Filters(narrowed(asked))
    if asked.audience:
        filters = filters.within(audience(asked.dataset, asked.audience, acting()))
    found = planning.plan(place, _constraints(asked), filters, actor=acting(), now=asked.now)
    record = planning.described(place, found)
    if asked.output:
        record["output"] = _written(found, place.dataset.name, asked)
    return record, _with_output


def _with_output(record: dict[str, Any]) -> str:
    wrote = f"\n\nThe decisions: {record['output']}" if "output" in record else ""
    return cards_plan.plan(record) + wrote


def _written(found: Plan, dataset: str, asked: argparse.Namespace) -> str:
    """Write the chosen decisions, one row per customer contacted, and record that they left."""
    from engine import files, planning, state
    from engine.errors import choose

    allow(acting(), "export")
    write = choose("output format", asked.output.suffix.lower(), planning.WRITERS)
    files.write_bytes(asked.output, write(found))
    state.record(acting(), "export", dataset, asked.now, {"decisions": found.total.customers})
    return str(asked.output)


def _recommend(asked: argparse.Namespace) -> Printed:
    from engine import planning

    record = planning.recommend(asked.dataset, asked.customer_id, asked.method, actor=acting(), now=asked.now,
                                run_id=asked.run)
    return record, cards_plan.recommendation


def _playbook_options(playbook: argparse.ArgumentParser) -> None:
    which = playbook.add_mutually_exclusive_group(required=True)
    which.add_argument("--sector", help="as it is shipped")
    which.add_argument("--dataset", help="the one that the dataset uses, with what was measured")
    which.add_argument("--check", type=Path, metavar="FILE", help="check a playbook that you write")
    playbook.add_argument("--text", action="store_true", help="print the playbook itself, to begin your own with")
    playbook.add_argument("--keep", type=Path, metavar="FILE", help="with --dataset: use this playbook from now on")
    playbook.add_argument("--revert", type=int, metavar="VERSION", help="with --dataset: go back; 0 = as shipped")


def _playbook(asked: argparse.Namespace) -> Printed:
    from engine.decision import playbooks

    if asked.check:
        text = _read(asked.check)
        return _shown(asked.check.name, playbooks.parsed(text, asked.check.name), text), _print(asked)
    if asked.dataset:
        return _of_dataset(asked)
    book = playbooks.playbook(asked.sector)
    return _shown(f"{asked.sector}.toml", book, playbooks.shipped_text(asked.sector)), _print(asked)


def _of_dataset(asked: argparse.Namespace) -> Printed:
    from engine import catalog, insight, planning
    from engine.decision import own_playbooks
    from engine.insight.past import effects_of

    who, dataset = acting(), catalog.dataset(asked.dataset)
    if asked.keep:
        own_playbooks.keep(dataset, _read(asked.keep), based_on=own_playbooks.in_use(dataset), actor=who, now=asked.now)
    if asked.revert is not None:
        own_playbooks.revert(dataset, asked.revert, actor=who, now=asked.now)
    version = own_playbooks.current(dataset, actor=who)
    place = insight.scope(asked.dataset) if catalog.runs(asked.dataset) else None
    title = f"The playbook of {dataset.name}, " + (f"version {version.number}" if version.number else "as shipped")
    book = own_playbooks.playbook_for(dataset)
    record = _shown(title, book, version.text, effects_of(place) if place else None)
    return {**record, "version": version.number, "waiting": planning.waiting(place) if place else ""}, _print(asked)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise EngineError(f"{path} cannot be read: {problem}. A playbook is a text file in UTF-8.") from problem


def _print(asked: argparse.Namespace) -> Any:
    return (lambda record: record["text"].rstrip()) if asked.text else cards_plan.playbook


def _shown(name: str, book: Playbook, text: str, effects: Effects | None = None) -> dict[str, Any]:
    """The playbook as a table: its treatments, and what is believed or was measured of each."""
    treatments = [{
        "name": one.name, "channel": one.channel, "contact_cost": one.contact_cost, "offer": one.offer_words or "-",
        "rate": f"{100 * one.recovery_rate:.1f} %", "evidence": one.source.partition(":")[0], "words": one.words,
        "cooldown_days": one.cooldown_days, **(_measured(effects, one.name) if effects else {}),
    } for one in book.acting()]
    return {"name": name, "sector": book.sector, "treatments": treatments, "text": text}


def _measured(effects: Effects, name: str) -> dict[str, str]:
    """The treatment's rates by segment as a range, where it was tried."""
    tried = effects.tried(name)
    if not tried:
        return {}
    rates = effects.table.loc[[name], "rate"]
    return {"rate": f"{100 * rates.min():.1f} to {100 * rates.max():.1f} %", "evidence": f"tried on {tried:,}"}
