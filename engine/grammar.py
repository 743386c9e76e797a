"""How a command line is spelled: verbs with their options, and usage errors that are JSON too where asked."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from engine.errors import EngineError
from engine.progress import Progress
from engine.schema import LTV_TIERS, RISK_BANDS, SEGMENTS, jsonable

NARROWED = (("--segment", "segment", SEGMENTS), ("--risk", "churn_risk", RISK_BANDS), ("--tier", "ltv_tier", LTV_TIERS))
Printed = tuple[dict[str, Any], Callable[[dict[str, Any]], str]]


def refuse(problem: EngineError, as_json: bool) -> int:
    """Say what the user can fix, on stderr and where asked as JSON; returns exit code 2."""
    findings = [jsonable(finding) for finding in getattr(problem, "findings", ())]
    if as_json:
        print(json.dumps({"error": str(problem), "findings": findings}, ensure_ascii=False))
    print(f"{problem}", file=sys.stderr)
    return 2


class Misused(Exception):
    """A usage error, on its way from a verb's own parser to the root, which knows all arguments."""


class Grammar(argparse.ArgumentParser):
    """Prints a usage error as one JSON object too where --json stands anywhere among the arguments."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The namespace, or exit code 2."""
        given = sys.argv[1:] if args is None else list(args)
        try:
            return super().parse_args(given, namespace)
        except Misused as problem:
            speaker, says = problem.args
            speaker.print_usage(sys.stderr)
            sys.exit(refuse(EngineError(says), "--json" in given))

    def error(self, message: str) -> NoReturn:
        """Leave the words to the root."""
        raise Misused(self, message)


class Verb(Grammar):
    """One verb's grammar; `spell` adds its options once its arguments are to be read."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.spell: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The namespace and what was not understood."""
        spell, self.spell = self.spell, None
        if spell is not None:
            spell(self)
        return super().parse_known_args(args, namespace)


def verb(verbs: Any, name: str, does: Callable[[argparse.Namespace], Printed], says: str,
          spell: Callable[[argparse.ArgumentParser], None] | None = None) -> Verb:
    """Add a verb to the command line: what it `does`, what the help `says`, and what `spell` adds once it is asked for.

    The verb is handed its arguments with the moment as `now`, and returns its record and what prints it.
    """
    made: Verb = verbs.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".")
    made.spell = spell
    made.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    made.set_defaults(verb=does)
    return made


def moment(text: str) -> datetime:
    """A day or moment as it is written on the command line, naive UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as 2024-06-30.") from problem


def narrowing(parser: argparse.ArgumentParser) -> None:
    """Options that narrow a list of customers down."""
    for option, column, names in NARROWED:
        parser.add_argument(option, action="append", default=[], dest=column, choices=names, metavar=option[2:].upper(),
                            help=f"only these: {', '.join(names)}; repeat for more")


def narrowed(asked: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """What those options let through, as the values of a filter."""
    return {column: tuple(getattr(asked, column)) for _, column, _ in NARROWED}


def told_on_stderr(now: Progress) -> None:
    """One line on stderr when a step ends; where stderr is a terminal, also while it gets on."""
    if now.seconds is not None:
        print(f"  {now.done:>2}/{now.of}  {now.step:<44} {now.seconds:7.1f} s", file=sys.stderr, flush=True)
    elif sys.stderr.isatty():
        share = f"{100 * now.part:3.0f} %" if now.part else "..."
        print(f"  {now.done:>2}/{now.of}  {now.step} {share}", end="\r", file=sys.stderr, flush=True)
