"""How a model is to be learned, as the command line says it; what is not said holds as for the model in use."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import engine
from engine import verbs_scale

if TYPE_CHECKING:
    from engine.prediction.settings import Settings

LINE = {"threshold": "rule", "cost_ratio": "cost_ratio", "capacity": "capacity"}
MONEY = {"margin_rate": "margin_rate", "ltv_horizon_days": "horizon_days", "annual_discount": "annual_discount"}
BALANCES = {"class-weight": "weigh the rarer class up", "smote": "synthesise leavers inside the folds",
            "no-balance": "learn from the classes as they are, as at first"}
OWN = ("algorithm", "ltv_algorithm", "balance", "segments", "seed")


def options(run: argparse.ArgumentParser) -> None:
    """Add the options of learning to a verb."""
    verbs_scale.backing(run)
    run.add_argument("--algorithm", help="churn model; by the kind of data at first")
    run.add_argument("--ltv", dest="ltv_algorithm", help="LTV model; by the kind of data at first")
    balance = run.add_mutually_exclusive_group()
    for name, says in BALANCES.items():
        told = "none" if name == "no-balance" else name.replace("-", "_")
        balance.add_argument(f"--{name}", dest="balance", action="store_const", const=told, help=says)
    _decisions(run)
    run.add_argument("--overrule", action="append", metavar="COLUMN",
                     help='use a column that the leakage audit quarantined; "" takes earlier ones back')
    run.add_argument("--seed", type=int)
    run.add_argument("--quick", action="store_true", help="fewer folds and replicates, for a first look")
    run.add_argument("--promotion", default="", help="when the new model takes production's place: always, person, "
                     "better, better_or_newer; the dataset's own rule when left out")


def _decisions(run: argparse.ArgumentParser) -> None:
    line, money = engine.Line(), engine.LtvSettings()
    run.add_argument("--threshold", help=f"f2, cost or capacity; {line.rule} at first")
    run.add_argument("--cost-ratio", type=float,
                     help=f"false alarms a missed leaver costs; {line.cost_ratio:g} at first")
    run.add_argument("--capacity", type=float,
                     help=f"share of customers that can be contacted; {line.capacity:g} at first")
    run.add_argument("--margin-rate", type=float,
                     help=f"share of revenue that is margin; {money.margin_rate:g} at first")
    run.add_argument("--ltv-horizon-days", type=int, help=f"how far value is counted; {money.horizon_days} at first")
    run.add_argument("--annual-discount", type=float,
                     help=f"what a year's wait costs; {money.annual_discount:g} at first")
    run.add_argument("--segments", help='"holdfast", or "peer" for the older definitions')


def settings(asked: argparse.Namespace, name: str) -> Settings:
    """The settings asked for, each that is not said as it was for the dataset's model in use; tells which held."""
    from engine.onboarding import settings_before

    before = settings_before(name)
    given = {one: getattr(asked, one) for one in OWN if getattr(asked, one) is not None}
    if asked.overrule is not None:
        given["overrule"] = tuple(column for column in asked.overrule if column)
    now = replace(before, **given, quick=asked.quick, line=replace(before.line, **_given(asked, LINE)),
                  money=replace(before.money, **_given(asked, MONEY)))
    tell(name, now, before)
    return now


def tell(name: str, now: Settings, before: Settings) -> None:
    """Say on stderr which settings hold as they did for the model in use."""
    then = _unlike_defaults(before)
    held = ", ".join(f"{option} {value}" for option, value in sorted(_unlike_defaults(now).items())
                     if then.get(option) == value)
    if held:
        sys.stderr.write(f"As {name}'s model in use was learned: {held}. `run` or `train` with an option changes it.\n")


def _given(asked: argparse.Namespace, names: dict[str, str]) -> dict[str, Any]:
    return {field: getattr(asked, option) for option, field in names.items() if getattr(asked, option) is not None}


def _unlike_defaults(told: Settings) -> dict[str, str]:
    """By option what is not as it would be at first."""
    first, spelt = engine.Settings(), {"ltv_algorithm": "ltv"}
    own = [field.name for field in fields(told) if field.name not in ("quick", "line", "money")]
    apart = {name: getattr(told, name) for name in own if getattr(told, name) != getattr(first, name)}
    for part, names in (("line", LINE), ("money", MONEY)):
        apart |= {option: getattr(getattr(told, part), field) for option, field in names.items()
                  if getattr(getattr(told, part), field) != getattr(getattr(first, part), field)}
    return {spelt.get(name, name).replace("_", "-"): ", ".join(value) if isinstance(value, tuple) else str(value)
            for name, value in apart.items()}
