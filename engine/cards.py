"""What the command line prints: a customer's card, a run's summary, lists. Pure: records -> text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.schema import NO_REASONS, money, plural, share

WIDTH = 110
SHOWN_METRICS = {
    "roc_auc": "ranking (ROC-AUC)", "pr_auc": "ranking of leavers (PR-AUC)", "log_loss": "log loss",
    "brier": "squared error (Brier)", "ece": "calibration error (ECE)", "lift_at_10": "lift in the top 10 %",
}
HEADLINE = {"severe", "error"}


def customer(card: Mapping[str, Any]) -> str:
    """One customer's card, from the record that `predict --json` prints."""
    page = Page()
    page.headline(card["findings"], card["synthetic"])
    page.title(f"Customer {card['customer_id']}", f"{card['dataset']}, as of {card['as_of'][:10]}")
    interval = f"90 % interval {share(card['churn_low'])} to {share(card['churn_high'])}"
    page.pairs([
        *([("Status", "has left already; the figures are of the time before")] if card["has_left"] else []),
        ("Chance to leave", f"{share(card['churn_probability'])} within {card['horizon_days']} days ({interval})"),
        ("Risk band", card["churn_risk"]),
        ("Predicted LTV", f"{money(card['predicted_ltv'], card['currency'])} ({card['ltv_tier']}; "
                          f"{money(card['ltv_if_stays'], card['currency'])} if the customer stays)"),
        ("Margin at risk", money(card["margin_at_risk"], card["currency"])),
        ("Composite risk", f"{card['risk_score']:.2f} of 1"),
        ("Segment", card["segment"]),
    ])
    page.section("Why", [driver["words"] for driver in card["drivers"]] if card["usable"] else [NO_REASONS])
    page.section("Next steps", [action["words"] for action in card["actions"]])
    page.section("Mind", [text for text in (card["hold_back"], *card["notes"]) if text])
    return page.text


def run(report: Mapping[str, Any]) -> str:
    """A run's summary, from the record that `run --json` prints."""
    page = Page()
    page.headline(report["findings"], report["synthetic"])
    page.title(f"{report['dataset']}: {plural(report['rows'], 'customer')} scored", f"version {report['version']}")
    page.pairs([
        ("Who counts as leaving", report["label"]),
        ("As of", report["as_of"][:10]),
        *_left_out(report),
        ("Model", f"{report['algorithm']} ({report['model_id']}), learned from {report['learned_from']:,} rows"),
        *_promotion(report.get("promotion")),
    ])
    page.metrics(report["models"])
    page.segments(report["segments"], report["currency"])
    page.section("Findings", [_finding(f) for f in report["findings"] if f["severity"] not in HEADLINE])
    page.section("Never used by the model", [_never_used(q) for q in report["quarantined"]])
    page.section("Mind", report["notes"])
    page.section("Where things are", [f"{name}: {path}" for name, path in report["where"].items()])
    return page.text


def _promotion(told: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What became of the newly learned model, where it was not simply put to use."""
    if told is None or (told["rule"] == "always" and told["promoted"]):
        return []
    where = "is in use" if told["promoted"] else "waits in staging"
    return [("New model", f"{told['model_id']} {where} by the rule {told['rule']}: {told['why']}")]


def _left_out(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Customers and rows that are not among the scores, where there are any."""
    unscored = report["known"] - report["rows"]
    told = [("Not scored", f"{plural(unscored, 'customer')} {report['unasked']}", unscored),
            ("Rejected", f"{plural(report['rejected'], 'row')}, kept beside the data", report["rejected"])]
    return [(name, words) for name, words, count in told if count]


def scored(report: Mapping[str, Any]) -> str:
    """What a batch scoring did, from the record that `score --json` prints."""
    page = Page()
    page.headline(report["findings"], report["synthetic"])
    page.line(f"{plural(report['rows'], 'customer')} scored with model {report['model_id']}: {report['output']}")
    if report["rejected"]:
        page.line(f"{plural(report['rejected'], 'row')} rejected, each with its reason: {report['rejected_output']}")
    page.section("Findings", [_finding(f) for f in report["findings"] if f["severity"] not in HEADLINE])
    page.section("Mind", report["notes"])
    return page.text


def backup(record: Mapping[str, Any]) -> str:
    """What is in a backup that was made or restored."""
    back, again = record.get("datasets_back", ()), record.get("erased_again", 0)
    lines = [f"{record['path']}: {record['files']:,} files, {record['bytes'] / 1e6:,.1f} MB, as of {record['made']}",
             f"datasets: {', '.join(record['datasets']) or 'none'}", f"state: {record['state']}",
             f"Back, though erased since then: {', '.join(back)}. Erase again what is not wanted." if back else "",
             f"Erased again, as since then: {plural(again, 'customer')}." if again else "", *record.get("advice", ())]
    return "\n".join(filter(None, lines))


def called(name: str) -> str:
    """A treatment's or a rule's name as a person reads it.

    >>> called("contract_migration")
    'contract migration'
    """
    return name.replace("_", " ")


def listing(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], empty: str) -> str:
    """A table of records: `columns` maps each field to its heading; `empty` is said when there are no rows."""
    page = Page()
    if rows:
        page.table(rows, columns)
    else:
        page.line(empty)
    return page.text


def _finding(finding: Mapping[str, Any]) -> str:
    return f"{finding['severity']}: {_words(finding)}"


def _words(finding: Mapping[str, Any]) -> str:
    """A finding as its record tells it to a person, or else as it was found."""
    told: str = finding.get("told") or f"{finding['where']}: {finding['what']} {finding['fix']}".rstrip()
    return told


def _never_used(quarantined: Mapping[str, Any]) -> str:
    told: str = quarantined.get("told") or f"{quarantined['column']}: {quarantined['reason']}"
    return told


def exported(report: Mapping[str, Any]) -> str:
    """What an export took along, from the record that `export --json` prints."""
    page = Page()
    page.headline((), report["synthetic"])
    page.line(f"{plural(report['rows'], 'customer')} written to {report['output']}")
    for said in filter(None, [report["left_out"], report["unreached"]]):
        page.line(said)
    page.pairs([("List", report["list"]), ("Scoring run", report["run_id"]), ("SHA-256", report["sha256"])])
    return page.text


def erased(report: Mapping[str, Any]) -> str:
    """What an erasure removed and what it leaves to do, from the record that `erase --json` prints."""
    page = Page()
    name = report["dataset"]
    page.line(f"Erased from {name}:" if report["found"] else f"Nothing was erased from {name}.")
    held = {"rows": report["rows"], "versions": len(report["versions"]), "scoring runs": report["runs"],
            "raw files as a whole": len(report["raw"]), "uploads": report["uploads"], "jobs": report["jobs"],
            "saved items": report["saved"], "entries of campaigns, the save desk and lists": report["ledger"]}
    page.pairs([(f"{count:,}", name) for name, count in held.items() if count])
    page.section("Mind", report["advice"])
    return page.text


class Page:
    """Collects lines in a console that writes to memory."""

    def __init__(self) -> None:
        self.buffer = io.StringIO()
        self.console = Console(file=self.buffer, width=WIDTH, highlight=False, force_terminal=False)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.buffer.getvalue().splitlines()).strip("\n")

    def line(self, text: str = "") -> None:
        self.console.print(escape(text))

    def headline(self, findings: Sequence[Mapping[str, Any]], synthetic: bool) -> None:
        if synthetic:
            self.line("SYNTHETIC: a generated demo company, no real customers.")
        for finding in findings:
            if finding["severity"] in HEADLINE:
                self.line(f"{finding['severity'].upper()}: {_words(finding)}")

    def title(self, title: str, beside: str) -> None:
        self.line(f"\n{title}  ({beside})")
        self.line("-" * min(WIDTH, len(title) + len(beside) + 4))

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        grid = Table.grid(padding=(0, 2))
        for name, value in pairs:
            grid.add_row(name, escape(value))
        self.console.print(grid)

    def section(self, title: str, lines: Sequence[str]) -> None:
        if lines:
            self.line(f"\n{title}")
            grid = Table.grid(padding=(0, 1))
            for line in lines:
                grid.add_row("  -", escape(line))
            self.console.print(grid)

    def metrics(self, models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        subjects = {name: values for name, values in models.items() if "roc_auc" in values}
        rows = [{"metric": title, **{name: _estimate(values.get(metric)) for name, values in subjects.items()}}
                for metric, title in SHOWN_METRICS.items()]
        self.line("\nHow well it predicts (held out, with 95 % interval)")
        self.table(rows, {"metric": "", **{name: name for name in subjects}})

    def segments(self, segments: Sequence[Mapping[str, Any]], currency: str) -> None:
        rows = [{"segment": row["segment"], "customers": f"{row['customers']:,}", "left": f"{row['already_left']:,}",
                 "chance": share(row["churn_probability"]), "ltv": money(row["expected_ltv"], currency),
                 "at_risk": money(row["margin_at_risk"], currency), "step": row["first_step"]} for row in segments]
        heads = {"segment": "segment", "customers": "customers", "chance": "chance to leave", "ltv": "mean LTV",
                 "at_risk": "margin at risk", "step": "first step"}
        if any(row["already_left"] for row in segments):
            heads["left"] = "left already"
        self.line("\nSegments")
        self.table(rows, heads)

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        for heading in columns.values():
            table.add_column(heading)
        for row in rows:
            table.add_row(*(escape(str(row.get(name, ""))) for name in columns))
        self.console.print(table)


def _estimate(estimate: Mapping[str, Any] | None) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]" if estimate else "-"
