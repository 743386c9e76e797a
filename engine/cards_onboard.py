"""The doctor's proposal as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.cards import Page

ROLES = {"kind": "Kind of files", "id": "Customer id", "label": "Who left", "money": "Money",
         "recency": "Last active", "currency": "Currency", "sector": "Sector", "joined": "Joined",
         "stacked": "Together", "tenure": "Tenure", "unused": "Not used"}
USES = {"categorical": "words", "numeric": "numbers", "flags": "yes and no", "dates": "dates", "ignored": "left out",
        "consent": "consent to every channel", "consent_email": "consent to e-mail", "consent_sms": "consent to SMS",
        "consent_phone": "consent to calls", "refusal": "refusal of every channel",
        "refusal_email": "refusal of e-mail", "refusal_sms": "refusal of SMS", "refusal_phone": "refusal of calls"}


def proposal(record: Mapping[str, Any]) -> str:
    """The proposal: parts with their evidence, uses of the columns, faults with cures, what is quarantined."""
    told, card = record["proposal"], Page()
    left = "" if told["left"] is None else f", {100 * told['left']:.1f} % left"
    card.title(f"{told['name']}: {told['kind']}", f"{told['customers']:,} customers{left}")
    card.section("What is what", [_part(part) for part in told["parts"] if part["role"] not in USES and _told(part)])
    card.section("Columns", [_use(use, told["parts"]) for use in USES if any(p["role"] == use for p in told["parts"])])
    card.section("Since the last file", [f"{change['kind']}: {change['where']}: {change['what']}"
                                         for change in told["changes"]])
    card.section("Faults", [_fault(fault) for fault in told["faults"]])
    card.section("Quarantined", [f"{each['column']}: {each['why']}" for each in told["quarantined"]])
    serious = [found for found in told["findings"] if found["severity"] in ("error", "severe")]
    card.section("Look at", [f"{f['severity']}: {f['where']}: {f['what']} {f['fix']}" for f in serious])
    if not told["trainable"]:
        card.section("Training", [_untrainable(told)])
    return card.text


def _untrainable(told: Mapping[str, Any]) -> str:
    """Why nothing can be learned from the files."""
    if told["stopped"]:
        return "An error stops it: see above."
    why = told["too_few"] or "Nobody says who left."
    return f"{why} The customers can be kept, and scored by a model that is there."


def _told(part: Mapping[str, Any]) -> bool:
    return bool(part["column"] or part["value"]) or part["role"] in ("id", "label", "money")


def _part(part: Mapping[str, Any]) -> str:
    what = part["column"] or part["value"] or "none"
    value = f" = {part['value'].replace('|', ' or ')}" if part["column"] and part["value"] else ""
    sure = f"{part['word']} ({part['confidence']:.2f})" if part["confidence"] else "open"
    name = ROLES.get(part["role"], part["role"].replace("_", " ").capitalize())
    return f"{name}: {what}{value}: {sure}: {part['evidence']}"


def _use(use: str, parts: list[Mapping[str, Any]]) -> str:
    return f"{USES[use]}: {', '.join(part['column'] for part in parts if part['role'] == use)}"


def _fault(fault: Mapping[str, Any]) -> str:
    ending = "" if not fault["cure"] else " (done)" if fault["safe"] else " (only if you ask for it)"
    return f"{fault['severity']}: {fault['where']}: {fault['what']} {fault['fix']}{ending}"


def kept(run: Mapping[str, Any]) -> str:
    """What was kept where nothing could be learned, and whether the model in use has scored it.

    >>> kept({"dataset": "acme", "customers": 9, "version": "5665e7", "why": "Nobody says who left.", "run_id": "b9d1"})
    'acme: 9 customers kept and scored by the model in use (run b9d1) (version 5665e7). Nobody says who left.'
    """
    scored = f" and scored by the model in use (run {run['run_id']})" if "run_id" in run else ""
    return f"{run['dataset']}: {run['customers']:,} customers kept{scored} (version {run['version']}). {run['why']}"
