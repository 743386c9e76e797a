"""The verbs of models on the command line: list, compare, promote, roll back, retire, make again; and correct."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import engine
from engine import cards_models
from engine.grammar import Printed, told_on_stderr, verb
from engine.permissions import acting


def add(verbs: Any) -> None:
    """Add the verbs to the command line."""
    verb(verbs, "models", _models, "list a dataset's models, compare them, choose the one in use, retire old ones",
         _models_options)
    verb(verbs, "correct", _correct, "try a correction of the events: what does it bring on the same folds, keep or "
         "drop?", _correct_options)


def _models_options(models: argparse.ArgumentParser) -> None:
    models.add_argument("--dataset", required=True)
    does = models.add_mutually_exclusive_group()
    does.add_argument("--compare", metavar="MODEL", help="hold this model (an id, or staging) against another")
    does.add_argument("--promote", metavar="MODEL", help="make this model (an id, or staging) the production model")
    does.add_argument("--rollback", action="store_true", help="go back to the production model before this one")
    does.add_argument("--rule", metavar="RULE", help="when a new model takes production's place: "
                      "always, person, better, better_or_newer")
    does.add_argument("--retire", action="store_true", help="remove old models that nothing refers to")
    does.add_argument("--reproduce", metavar="MODEL", help="learn this model again from its card: same scores?")
    models.add_argument("--against", metavar="MODEL", default="production", help="what --compare holds it against")
    models.add_argument("--keep", type=int, metavar="N", help="how many of the newest models --retire keeps")
    models.add_argument("--dry-run", action="store_true", help="only say what --retire would remove")


def _models(asked: argparse.Namespace) -> Printed:
    from engine import champions

    name, by = asked.dataset, {"actor": acting(), "now": asked.now}
    done: dict[str, Any] = {}
    if asked.promote:
        engine.promote(name, asked.promote, **by)
    if asked.rollback:
        engine.rollback(name, **by)
    if asked.rule:
        champions.set_rule(name, asked.rule, **by)
    if asked.compare:
        done["compared"] = champions.compare(name, asked.compare, asked.against, progress=told_on_stderr, **by)
    if asked.retire:
        keep = champions.KEPT if asked.keep is None else asked.keep
        done["retired"] = asdict(champions.retire(name, keep, dry=asked.dry_run, **by))
    if asked.reproduce:
        done["again"] = asdict(champions.reproduce(name, asked.reproduce, progress=told_on_stderr, **by))
    record = {"dataset": name, "models": engine.describe_models(name, acting()),
              "rule": champions.rule_of(name, acting()), **done}
    return record, cards_models.listed


def _correct_options(correct: argparse.ArgumentParser) -> None:
    from engine.data.corrections import RULES

    correct.add_argument("--dataset", required=True)
    correct.add_argument("--rule", metavar="RULE", help="one of: "
                         + "; ".join(f"{rule.name}: {rule.says}" for rule in RULES.values())
                         + ". What has been tried is listed when left out")
    correct.add_argument("--keep", action="store_true", help="make the corrected data a version of their own, in use "
                         "from now on, if the verdict is to keep them")
    correct.add_argument("--undo", action="store_true", help="go back to the data before the last correction kept")
    correct.add_argument("--quick", action="store_true", help="fewer folds, for a first look")
    correct.add_argument("--seed", type=int, default=engine.Settings.seed)


def _correct(asked: argparse.Namespace) -> Printed:
    from engine import cards, correcting

    if asked.undo:
        version = correcting.undo(asked.dataset, actor=acting(), now=asked.now)
        return {"dataset": asked.dataset, "version": version}, lambda record: (
            f"Version {record['version']} is in use again. Learn from it: python -m engine train "
            f"--dataset {record['dataset']}.")
    if not asked.rule:
        heads = {"at": "when", "rule": "rule", "version": "version", "did": "did", "verdict": "verdict", "why": "why",
                 "kept_as": "kept as"}
        record = {"dataset": asked.dataset, "trials": correcting.trials(asked.dataset, acting())}
        return record, lambda record: cards.listing(record["trials"], heads, "No correction has been tried yet.")
    done = correcting.correct(asked.dataset, asked.rule, keep=asked.keep, actor=acting(), now=asked.now,
                              settings=engine.Settings(quick=asked.quick, seed=asked.seed), progress=told_on_stderr)
    return done, cards_models.corrected
