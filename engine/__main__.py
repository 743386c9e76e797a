"""The engine's verbs on the command line: python -m engine VERB. Exit code 0, 2 (you can fix it), 1 (a bug).

Every verb takes --json and then prints one JSON object on stdout and nothing else; logs and progress go to stderr. A
verb's options are spelled out when that verb is asked for, for some of them list what the rooms behind it offer.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import engine
from engine import cards, verbs_campaign, verbs_decide, verbs_learn, verbs_models, verbs_onboard, verbs_scale
from engine.grammar import Grammar, Printed, Verb, moment, narrowed, narrowing, refuse, told_on_stderr, verb
from engine.permissions import acting
from engine.schema import jsonable
from engine.version import version

SOURCE = ("a file, an archive (.zip, .gz; export.zip::orders.csv for one member), a folder, a DuckDB or SQLite file "
          "(company.duckdb::orders for one table), or postgresql://user@host/name::table; repeat for several")
QUERY = "a SELECT for the one database among the sources, instead of its tables; repeat for several"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    asked = parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        engine.finish_restore(acting(), _now())
        asked.now = _now()
        record, readable = asked.verb(asked)
    except engine.EngineError as problem:
        return refuse(problem, asked.json)
    _say(json.dumps(jsonable(record), ensure_ascii=False, allow_nan=False) if asked.json else readable(record))
    return 0


def _say(text: str) -> None:
    """Print the text; whoever reads no further, as `| head` does, has had enough."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    """The command line's grammar: one sub-command per verb of the engine."""
    root = Grammar(prog="python -m engine", description="Holdfast: who will leave, what they are worth, why, and what "
                   "is worth doing about it.")
    root.add_argument("--version", action="version", version=f"Holdfast {version()}")
    verbs = root.add_subparsers(required=True, metavar="VERB", parser_class=Verb)
    verb(verbs, "run", verbs_scale.backed(_run), "read a company's file, learn, score every customer, and store it all",
         _run_options)
    verb(verbs, "train", verbs_scale.backed(_train),
         "learn anew from a dataset that is there, and score every customer", _train_options)
    _predict_verb(verbs)
    _score_verb(verbs)
    verb(verbs, "export", _export, "write a worklist to a file: whom to contact, with which step, and why",
          _export_options)
    demo = verb(verbs, "demo", _demo, "create the demo companies where absent, and run the pipeline on them")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--company", action="append", metavar="NAME", help="telecom, shop or streaming (the first two "
                      "unless named); several are allowed")
    verb(verbs, "datasets", _datasets, "list the datasets there are")
    verbs_models.add(verbs)
    runs = verb(verbs, "runs", _runs, "list a dataset's scoring runs")
    runs.add_argument("--dataset", required=True)
    report = verb(verbs, "report", _report, "write the technical report: one HTML file with every chart, for reading")
    report.add_argument("--dataset", required=True)
    report.add_argument("--run", help="a scoring run; the current one when left out")
    report.add_argument("--output", required=True, type=Path, help="an .html file")
    _digest_verb(verbs)
    verbs_onboard.add(verbs)
    verbs_decide.add(verbs)
    verbs_campaign.add(verbs)
    verbs_scale.add(verbs)
    audit = verb(verbs, "audit", _audit, "show who did what, the newest first")
    audit.add_argument("--limit", type=int, default=20)
    audit.add_argument("--customer-id", help="only what was done about this customer")
    _erase_verb(verbs)
    _job_verbs(verbs)
    backup = verb(verbs, "backup", _backup, "write datasets, models and state to one file")
    backup.add_argument("--output", required=True, type=Path, help="a .zip file")
    restore = verb(verbs, "restore", _restore, "put everything back as it was when a backup was made")
    restore.add_argument("--input", required=True, type=Path, help="a backup of your own: its models are programs")
    verb(verbs, "dictionary", _dictionary, "print the data dictionary in Markdown")
    return root


def _run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("--source", required=True, action="append", help=SOURCE)
    run.add_argument("--query", action="append", default=[], help=QUERY)
    run.add_argument("--name", required=True, help="what to call the dataset")
    run.add_argument("--adapter", help=f"one of {', '.join(sorted(engine.ADAPTERS))}; guessed from the columns")
    run.add_argument("--mapping", type=Path, help="a TOML mapping, as `onboard` writes it")
    run.add_argument("--as-of", type=moment, help="the day the file was drawn, YYYY-MM-DD")
    run.add_argument("--horizon-days", type=int, help="the label's window")
    run.add_argument("--grace-days", type=int, help="subscriptions: days after the end within which another must begin")
    run.add_argument("--leavers", choices=("all", "voluntary"), help="kkbox: whether an end by a failed payment counts")
    verbs_learn.options(run)
    run.add_argument("--currency", help="ISO code of the money in the file")


def _train_options(train: argparse.ArgumentParser) -> None:
    train.add_argument("--dataset", required=True)
    verbs_learn.options(train)


def _predict_verb(verbs: Any) -> None:
    predict = verb(verbs, "predict", _predict, "one customer's card")
    predict.add_argument("--dataset", required=True)
    who = predict.add_mutually_exclusive_group(required=True)
    who.add_argument("--customer-id")
    who.add_argument("--random", action="store_true", help="any customer")
    predict.add_argument("--seed", type=int, help="which random customer")


def _score_verb(verbs: Any) -> None:
    score = verb(verbs, "score", verbs_scale.backed(_score),
                 "score a new file with the dataset's production model, or without one every customer anew")
    score.add_argument("--dataset", required=True)
    score.add_argument("--input", action="append", default=[], help=SOURCE)
    score.add_argument("--query", action="append", default=[], help=QUERY)
    score.add_argument("--output", type=Path, help="a .csv or .parquet file, for a new file's scores")
    score.add_argument("--as-of", type=moment)
    verbs_scale.backing(score)


def _export_options(export: argparse.ArgumentParser) -> None:
    from engine.campaign.export import EXPORTERS
    from engine.insight.planned import CONTACT_LIST, STANDINGS
    from engine.insight.worklist import ORDERS

    export.add_argument("--dataset", required=True)
    export.add_argument("--run", help="a scoring run; the current one when left out")
    export.add_argument("--output", required=True, type=Path, help="a .csv or .xlsx file")
    export.add_argument("--format", choices=sorted(EXPORTERS), help="by the file's ending when left out")
    export.add_argument("--list", default=CONTACT_LIST, choices=[*STANDINGS, "everyone"], help="which worklist")
    narrowing(export)
    export.add_argument("--step", action="append", default=[], help="only this step of the playbook; repeat for more")
    export.add_argument("--channel", action="append", default=[], help="only this channel; repeat for more")
    export.add_argument("--least-margin", type=float, metavar="MONEY", help="only customers with this margin at risk")
    export.add_argument("--agreed", action="store_true", help="only customers who agreed to be reached that way")
    export.add_argument("--order", default="margin_at_risk", choices=list(ORDERS))
    export.add_argument("--without-contact", action="store_true", help="leave names, addresses and numbers out")


def _digest_verb(verbs: Any) -> None:
    digest = verb(verbs, "digest", _digest, "write the executive's digest: one page that prints on A4")
    digest.add_argument("--dataset", required=True)
    digest.add_argument("--run", help="a scoring run; the current one when left out")
    digest.add_argument("--output", required=True, type=Path, help="an .html file")
    digest.add_argument("--scenario", default="", help="a saved recovery scenario, instead of the defaults")
    digest.add_argument("--budget", type=float, help="what may be invested in keeping customers")


def _erase_verb(verbs: Any) -> None:
    erase = verb(verbs, "erase", _erase, "erase a dataset, or one of its customers, everywhere; there is no way back")
    erase.add_argument("--dataset", required=True)
    erase.add_argument("--customer-id", help="only this customer")
    erase.add_argument("--reason", default="", help="kept in the audit log: no names, no addresses")
    erase.add_argument("--yes", action="store_true", help="do it without asking")


def _job_verbs(verbs: Any) -> None:
    start = verb(verbs, "start", _start, "run a verb in the background: start --dataset acme -- run --source FILE ...")
    start.add_argument("--dataset", required=True, help="the dataset it works on")
    start.add_argument("command", nargs=argparse.REMAINDER)
    verb(verbs, "jobs", _jobs, "list the background jobs, the newest first")
    cancel = verb(verbs, "cancel", _cancel, "cancel a background job")
    cancel.add_argument("--job", required=True, type=int)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _options(asked: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(asked, name) for name in ("mapping", "horizon_days", "grace_days", "leavers", "currency")}
    return {name: value for name, value in given.items() if value is not None}


def _as_before(asked: argparse.Namespace) -> tuple[str | None, dict[str, Any]]:
    """Adapter and options: what was said of the dataset's last files holds but for what is said now; another mapping
    or adapter begins anew."""
    from engine.onboarding import said_before

    adapter, before = said_before(asked.name)
    now = _options(asked)
    kept = sorted(before.keys() - now.keys())
    if asked.mapping or asked.adapter or not kept:
        return asked.adapter, now
    print(f"As {asked.name} was read before: {', '.join(kept)}. An --adapter or a --mapping begins anew.",
          file=sys.stderr)
    return adapter, {**before, **now}


def _run(asked: argparse.Namespace) -> Printed:
    adapter, options = _as_before(asked)
    report = engine.run(asked.source, name=asked.name, adapter=adapter, options=options,
                        settings=verbs_learn.settings(asked, asked.name), observed_until=asked.as_of,
                        queries=asked.query, promotion=asked.promotion, actor=acting(), now=_now(),
                        progress=told_on_stderr)
    return report, cards.run


def _train(asked: argparse.Namespace) -> Printed:
    report = engine.train(asked.dataset, settings=verbs_learn.settings(asked, asked.dataset),
                          promotion=asked.promotion, actor=acting(), now=_now(), progress=told_on_stderr)
    return report, cards.run


def _demo(asked: argparse.Namespace) -> Printed:
    named = tuple(f"demo-{name.removeprefix('demo-')}" for name in asked.company or ()) or tuple(engine.DEMOS)
    reports = engine.run_demos(seed=asked.seed, companies=named, actor=acting(), now=_now(), progress=told_on_stderr)
    return {"runs": reports}, lambda record: "\n\n".join(cards.run(report) for report in record["runs"])


def _predict(asked: argparse.Namespace) -> Printed:
    card = engine.predict(asked.dataset, asked.customer_id, actor=acting(), now=_now(), seed=asked.seed)
    return card, cards.customer


def _score(asked: argparse.Namespace) -> Printed:
    if not asked.input and asked.output is None:
        return verbs_scale.rescore(asked)
    if not asked.input or asked.output is None:
        raise engine.EngineError("A new file's scores take both --input and --output; leave out both to score every "
                                 "customer of the dataset anew.")
    report = engine.score_file(asked.dataset, asked.input, asked.output, observed_until=asked.as_of,
                               queries=asked.query, actor=acting(), now=_now(), progress=told_on_stderr)
    return report, cards.scored


def _export(asked: argparse.Namespace) -> Printed:
    from engine import insight, reports
    from engine.insight.source import OPEN

    scope = insight.scope(asked.dataset, asked.run)
    values = narrowed(asked)
    ranges = {} if asked.least_margin is None else {"margin_at_risk": (asked.least_margin, OPEN)}
    listing = insight.Listing(insight.Filters(values, ranges), "" if asked.list == "everyone" else asked.list, (),
                              tuple(asked.step), tuple(asked.channel), asked.agreed, asked.order)
    made = insight.export_file(scope, listing, asked.output, asked.format or "", actor=acting(), now=_now(),
                               contact=not asked.without_contact)
    return reports.of_export(scope, listing, made, asked.output), cards.exported


def _datasets(_: argparse.Namespace) -> Printed:
    heads = {"name": "dataset", "version": "version", "adapter": "adapter", "customers": "customers", "as_of": "as of",
             "label": "who counts as leaving", "synthetic": "synthetic"}
    empty = "No datasets yet. Bring one: python -m engine run --source FILE --name acme"
    record = {"datasets": engine.describe_datasets(acting())}
    return record, lambda record: cards.listing([_readable(row) for row in record["datasets"]], heads, empty)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"customers": f"{row['customers']:,}", "synthetic": "yes" if row["synthetic"] else "no"}


def _runs(asked: argparse.Namespace) -> Printed:
    heads = {"run_id": "run", "as_of": "as of", "version": "version", "model_id": "model", "customers": "customers",
             "in_use": "in use", "looks_back": "looks back"}
    record = {"dataset": asked.dataset, "runs": engine.describe_runs(asked.dataset, acting())}
    flags = ("in_use", "looks_back")
    return record, lambda record: cards.listing([row | {name: "yes" if row[name] else "no" for name in flags}
                                                 for row in record["runs"]], heads, "No scoring runs yet.")


def _erase(asked: argparse.Namespace) -> Printed:
    name, who = asked.dataset, asked.customer_id
    whom = f"customer {who} of {name}" if who else f"the dataset {name} with its runs and models"
    if not asked.yes and not _agrees(f"Erase {whom}? There is no way back."):
        raise engine.EngineError("Nothing was erased. Say --yes to erase without being asked.")
    more = {"reason": asked.reason, "actor": acting(), "now": _now()}
    done = engine.erase_customer(name, who, **more) if who else engine.erase_dataset(name, confirm=name, **more)
    return done, cards.erased


def _agrees(question: str) -> bool:
    """Whether the person at the terminal says yes; without a terminal nobody does."""
    if not sys.stdin.isatty():
        return False
    print(f"{question} [yes/no] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() == "yes"


def _report(asked: argparse.Namespace) -> Printed:
    from ui.report import write  # the command line stands beside the screens and may draw with them

    record = write(asked.dataset, asked.output, actor=acting(), now=_now(), run_id=asked.run)
    return record, lambda record: (f"{record['charts']} charts, {record['bytes'] / 1e6:.1f} MB: {record['output']}\n"
                                   f"{record['verdict']}")


def _digest(asked: argparse.Namespace) -> Printed:
    record = engine.digest(asked.dataset, asked.output, actor=acting(), now=_now(), run_id=asked.run,
                           scenario=asked.scenario, budget=asked.budget)
    return record, lambda record: f"{record['headline']}\n{record['recovery']['says']}\nThe digest: {record['output']}"


def _audit(asked: argparse.Namespace) -> Printed:
    heads = {"at": "when", "actor": "who", "role": "role", "verb": "did", "about": "about"}
    record = {"log": engine.audit_log(asked.limit, acting(), asked.customer_id)}
    return record, lambda record: cards.listing(record["log"], heads, "Nothing yet.")


def _backup(asked: argparse.Namespace) -> Printed:
    return engine.back_up(asked.output, actor=acting(), now=_now()), cards.backup


def _restore(asked: argparse.Namespace) -> Printed:
    return engine.restore(asked.input, actor=acting(), now=_now()), cards.backup


def _start(asked: argparse.Namespace) -> Printed:
    command = [word for word in asked.command if word != "--"]
    job = engine.start_job(command, asked.dataset, actor=acting(), now=_now())
    return job, lambda record: f"Job {record['job_id']} started: {record['command']}"


def _jobs(_: argparse.Namespace) -> Printed:
    heads = {"job_id": "job", "status": "status", "dataset": "dataset", "command": "command", "step": "at",
             "so_far": "so far"}
    record = {"jobs": engine.describe_jobs(acting())}
    return record, lambda record: cards.listing([_so_far(job) for job in record["jobs"]], heads, "No jobs yet.")


def _so_far(job: dict[str, Any]) -> dict[str, Any]:
    return job | {"so_far": f"{100 * job['share']:.0f} %" if job["of"] else ""}


def _cancel(asked: argparse.Namespace) -> Printed:
    job = engine.cancel_job(asked.job, actor=acting(), now=_now())
    return job, lambda record: f"Job {record['job_id']} is {record['status']}."


def _dictionary(_: argparse.Namespace) -> Printed:
    return {"markdown": dictionary_markdown()}, lambda record: record["markdown"]


def dictionary_markdown() -> str:
    """The data dictionary of README.md: every table, its columns, units, ranges and meanings."""
    return "\n\n".join(_table_markdown(table) for table in engine.dictionary())


def _table_markdown(table: engine.Table) -> str:
    rows = [f"| {column.name} | {column.kind} | {column.unit or '-'} | {column.meaning} |" for column in table]
    return "\n".join([f"**{table.name}**: {table.holds}", "", "| column | kind | unit | meaning |", "|---|---|---|---|",
                      *rows])


if __name__ == "__main__":
    sys.exit(main())
