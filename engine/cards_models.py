"""What the command line prints of models held against each other, retired and made again. Pure: records -> text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.cards import SHOWN_METRICS, Page
from engine.schema import plural

LISTED = {"model_id": "model", "stage": "stage", "algorithm": "algorithm", "as_of": "as of", "rows": "rows",
          "roc_auc": "AUC", "brier": "Brier", "usable": "usable"}


def listed(record: Mapping[str, Any]) -> str:
    """The dataset's models, and what was done to them."""
    page = Page()
    if record["models"]:
        page.table(record["models"], LISTED)
    else:
        page.line("No models yet.")
    page.line(f"A new model takes production's place by the rule: {record['rule']}")
    for part, says in (("compared", compared), ("retired", retired), ("again", again)):
        if part in record:
            page.line("\n" + says(record[part]))
    return page.text


def compared(record: Mapping[str, Any]) -> str:
    """The challenger beside the champion."""
    page = Page()
    page.title(f"{record['challenger']} against {record['champion']}", f"{record['dataset']}, {record['how']}")
    page.line(f"On {record['on']}.")
    if record["differences"]:
        rows = [{"metric": SHOWN_METRICS[name], "champion": spelt(record["champion_metrics"][name]),
                 "challenger": spelt(record["challenger_metrics"][name]),
                 "difference": spelt(record["differences"][name], "+.4f"), "verdict": record["verdicts"][name]}
                for name in record["metrics"]]
        page.table(rows, {"metric": "", "champion": "champion", "challenger": "challenger",
                          "difference": "difference (95 %)", "verdict": "the challenger is"})
    page.section("What changed", [f"{what}: {old} -> {new}" for what, old, new in record["changed"]] or ["nothing"])
    page.section("By rule", [f"{rule}: {'promote' if told['promotes'] else 'leave'}: {told['why']}"
                             for rule, told in record["rules"].items()])
    return page.text


def spelt(estimate: Mapping[str, float], style: str = ".3f") -> str:
    """An estimate with its interval.

    >>> spelt({"value": 0.0123, "low": -0.001, "high": 0.02}, "+.4f")
    '+0.0123 [-0.0010, +0.0200]'
    """
    value, low, high = (format(estimate[name], style) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def retired(record: Mapping[str, Any]) -> str:
    """What was removed, or would be."""
    page = Page()
    done = "Removed" if record["done"] else "Would remove (say it without --dry-run to do it)"
    page.line(f"{done}: {plural(len(record['models']), 'model')}, {plural(len(record['runs']), 'scoring run')}, "
              f"{record['bytes'] / 1e6:,.1f} MB.")
    page.section("Removed" if record["done"] else "To remove", record["models"])
    page.section("Stay", [f"{model_id}: {why}" for model_id, why in record["stay"]])
    return page.text


def again(record: Mapping[str, Any]) -> str:
    """Whether a model made again is the same."""
    page = Page()
    same = "the same to the last bit" if record["same"] else "not the same"
    page.line(f"{record['model_id']} made again from version {record['version']}: the scores of "
              f"{plural(record['customers'], 'customer')} are {same} (largest difference of a probability: "
              f"{record['largest_difference']:.3g}).")
    if record["largest_held_out"] is not None:
        page.line(f"Held-out probabilities: largest difference {record['largest_held_out']:.3g}.")
    page.line(f"{record['same_files']} of {record['files']} files have the same bytes.")
    if record["changed"]:
        page.line(f"Other versions than then: {record['changed']}.")
    return page.text


def corrected(record: Mapping[str, Any]) -> str:
    """What a correction brings, and the verdict."""
    page = Page()
    page.title(f"{record['rule']}: {record['verdict']}", f"{record['dataset']}, version {record['version']}")
    page.line(f"It {record['says']}: {record['did']}.")
    page.line(f"Verdict: {record['verdict']}, {record['why']}.")
    if record["gain"]:
        rows = [{"metric": SHOWN_METRICS[name], "raw": spelt(record["raw"][name]),
                 "corrected": spelt(record["corrected"][name]), "gain": spelt(gain, "+.4f")}
                for name, gain in record["gain"].items()]
        page.table(rows, {"metric": "", "raw": "as they came", "corrected": "corrected",
                          "gain": "difference (95 %)"})
        judged = record["raw"]["log_loss"]["n"]
        page.line(f"{record['algorithm']}, learned from {plural(record['rows'], 'row')} and judged on {judged:,} that "
                  "were held out: the same customers, folds and answers for both.")
    page.line(_kept(record))
    return page.text


def _kept(record: Mapping[str, Any]) -> str:
    """What became of the data."""
    if record["kept_as"]:
        return (f"Kept as version {record['kept_as']}, in use now; the raw files are as they came. Learn from it: "
                f"python -m engine train --dataset {record['dataset']}.")
    if record["asked_to_keep"]:
        return "Not kept, for it was not measured to help. The data are as they came."
    keep = " --keep makes them a version of their own." if record["verdict"] == "keep" else ""
    return f"Nothing was changed: the data are as they came.{keep}"
