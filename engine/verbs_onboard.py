"""The verb that brings a company's files in, on the command line: onboard."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import cards, cards_onboard, verbs_learn
from engine.errors import EngineError
from engine.grammar import Printed, moment, told_on_stderr, verb
from engine.permissions import acting
from engine.schema import jsonable

if TYPE_CHECKING:
    from engine.onboarding import Proposal
    from engine.prediction.settings import Settings


def add(verbs: Any) -> None:
    """Add the verb to the command line."""
    says = "recognise a company's files, propose what each column is, and with your yes learn and score"
    verb(verbs, "onboard", _onboard, says, _options)


def _options(onboard: argparse.ArgumentParser) -> None:
    onboard.add_argument("files", nargs="+", metavar="FILE",
                         help="the customers' file, and further ones; or an archive, a folder, a database")
    onboard.add_argument("--query", action="append", default=[], help="SELECT for the one database among the sources")
    onboard.add_argument("--name", required=True, help="what to call the dataset")
    onboard.add_argument("--yes", action="store_true", help="take what is proposed without asking, and run")
    onboard.add_argument("--propose", action="store_true", help="only propose; nothing is kept")
    onboard.add_argument("--mapping", type=Path, help="use this mapping instead of proposing one")
    onboard.add_argument("--write", type=Path, metavar="TOML", help="write the proposed mapping, to change it by hand")
    onboard.add_argument("--anew", action="store_true", help="look anew, as if no mapping had been kept")
    onboard.add_argument("--as-of", type=moment, help="the day the files were drawn, YYYY-MM-DD")
    onboard.add_argument("--horizon-days", type=int, help="the window within which customers left")
    onboard.add_argument("--currency", help="ISO code of the money in the files")
    onboard.add_argument("--quick", action="store_true", help="fewer folds and replicates, for a first look")


def _onboard(asked: argparse.Namespace) -> Printed:
    from engine import onboarding
    from engine.data.adapters import mapping as mappings

    told = {name: getattr(asked, name) for name in ("horizon_days", "currency")}
    proposal = onboarding.propose(
        asked.files, name=asked.name, actor=acting(), now=asked.now, observed_until=asked.as_of, anew=asked.anew,
        queries=asked.query,
        mapping=mappings.load(asked.mapping) if asked.mapping else None,
        options={name: value for name, value in told.items() if value is not None})
    record: dict[str, Any] = {"proposal": described(proposal)}
    if asked.write:
        from engine import files

        files.write_text(asked.write, proposal.toml + "\n")
        record["written"] = str(asked.write)
    if asked.propose or not _agreed(asked, record):
        return record, cards_onboard.proposal
    settings = _as_before(proposal, asked)
    record["run"] = onboarding.accept(proposal, actor=acting(), now=asked.now, settings=settings,
                                      progress=told_on_stderr, unasked=asked.yes)
    return jsonable(record), _readable


def _as_before(proposal: Proposal, asked: argparse.Namespace) -> Settings:
    """How the model in use was learned, and told; without what was overruled of columns that these files lack."""
    from engine.data.names import snake
    from engine.onboarding import settings_before

    before, there = settings_before(asked.name), {*map(snake, proposal.portrait), "tenure_months", "recency_days"}
    overrule = tuple(name for name in before.overrule if name in there or proposal.adapter != "table")
    now = replace(before, quick=asked.quick, overrule=overrule)
    verbs_learn.tell(asked.name, now, before)
    return now


def _agreed(asked: argparse.Namespace, record: dict[str, Any]) -> bool:
    """Whether the proposal is taken: --yes, or a person at the terminal who has read it."""
    if asked.yes:
        return True
    if asked.json or not sys.stdin.isatty():
        raise EngineError(f"{cards_onboard.proposal(record)}\n\nNothing was kept. Say --yes to take this proposal, or "
                          "--write FILE to change it and --mapping FILE to use it.")
    sys.stderr.write(f"{cards_onboard.proposal(record)}\n\nTake it? [yes/no] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("yes", "y")


def _readable(record: dict[str, Any]) -> str:
    run = record["run"]
    shown = cards_onboard.kept(run) if "trained" in run else cards.run(run)
    return f"{cards_onboard.proposal(record)}\n\n{shown}"


def shown(source: str | Path) -> str:
    """A source as it may be shown: without folders, and without a password."""
    from engine.data.sources import place

    return str(place(source)).rsplit("/", 1)[-1]


def described(proposal: Proposal) -> dict[str, Any]:
    """The proposal as a record that can be written as JSON."""
    from engine.data.doctor import faults

    said = [{"role": part.role, "column": part.column, "value": part.value, "confidence": round(part.confidence, 2),
             "word": part.word, "evidence": part.evidence} for part in (*proposal.parts, *proposal.columns)]
    seen = proposal.examined
    return {
        "name": proposal.name, "kind": proposal.kind, "adapter": proposal.adapter, "trainable": proposal.trainable,
        "refresh": proposal.refresh, "files": [shown(source) for source in proposal.sources], "parts": said,
        "faults": faults.shown(proposal.faults), "mapping": proposal.toml,
        "cures": [{"where": cure.where, "what": cure.what, "on": cure.on, "safe": cure.safe}
                  for cure in proposal.cures],
        "changes": jsonable(proposal.changes), "customers": seen.customers, "rejected": seen.rejected,
        "left": seen.left, "stopped": seen.stopped, "too_few": seen.too_few,
        "quarantined": [{"column": name, "why": why} for name, why in seen.quarantined],
        "findings": jsonable(seen.findings), "silence": _silence(proposal),
    }


def _silence(proposal: Proposal) -> dict[str, Any] | None:
    """The proposed number of days with its evidence, and the curve at the days that one would choose among."""
    from engine.data.doctor.silence import ROUND

    told = proposal.silence
    if told is None:
        return None
    curve = told.curve[told.curve["days"].isin(ROUND)]
    return {"days": told.days, "evidence": told.evidence, "ahead_days": told.ahead_days, "pauses": told.gaps,
            "curve": curve.to_dict("records")}
