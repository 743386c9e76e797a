"""The verbs of models on the command line: list, compare, promote, roll back, retire, make again."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import engine
from engine import cards_models
from engine.grammar import Printed, verb
from engine.permissions import acting


def add(verbs: Any) -> None:
    """Add the verbs to the command line."""
    verb(verbs, "models", _models, "list a dataset's models, compare them, choose the one in use, retire old ones",
         _models_options)


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
        done["compared"] = champions.compare(name, asked.compare, asked.against, **by)
    if asked.retire:
        keep = champions.KEPT if asked.keep is None else asked.keep
        done["retired"] = asdict(champions.retire(name, keep, dry=asked.dry_run, **by))
    if asked.reproduce:
        done["again"] = asdict(champions.reproduce(name, asked.reproduce, **by))
    record = {"dataset": name, "models": engine.describe_models(name, acting()),
              "rule": champions.rule_of(name, acting()), **done}
    return record, cards_models.listed
