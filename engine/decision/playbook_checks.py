"""From a playbook's text to a playbook: every mistake at once, each with its line, its entry and its cure."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from engine.decision.playbook_lines import Path, line_of, lines_of
from engine.decision.treatments import (
    CHANNELS,
    LEAVE_ALONE,
    WIN_BACK,
    Allowed,
    Channel,
    Guardrails,
    Playbook,
    Range,
    Terms,
    Treatment,
)
from engine.schema import SEGMENTS, Finding

OFFERS = ("offer_cost", "offer_share", "free_months")
Problem = tuple[Path, str, str]


@dataclass(frozen=True)
class Rule:
    """What an entry must be: `fits` its value, or else `cure`."""

    fits: Callable[[Any], bool]
    cure: str


def _number(least: float = 0, most: float = math.inf, whole: bool = False) -> Rule:
    limit = "" if math.isinf(most) else f" and at most {most:g}"
    kinds: Any = int if whole else (int, float)
    return Rule(lambda value: isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most
                and math.isfinite(value), f"write a {'whole ' if whole else ''}number of at least {least:g}{limit}.")


def _choice(names: tuple[str, ...]) -> Rule:
    return Rule(lambda value: value in names, f"write one of: {', '.join(names)}.")


TEXT = Rule(lambda value: isinstance(value, str) and bool(value.strip()), 'write a text in quotes, such as "...".')
SENTENCE = Rule(lambda value: TEXT.fits(value) and value[0].isupper() and value.rstrip().endswith((".", "!", "?")),
                "write a sentence: a capital first, a full stop last.")
TEXTS = Rule(lambda value: isinstance(value, list) and all(TEXT.fits(item) for item in value),
             'write a list of texts: ["...", "..."].')
FLAG = Rule(lambda value: isinstance(value, bool), "write true or false.")
TABLE = Rule(lambda value: isinstance(value, dict), "write a table: name = value pairs in braces or under a heading.")

HEAD = {"sector": TEXT, "minimum_tenure_months": _number(), "minimum_tenure_column": TEXT, "treatments": TABLE,
        "segments": TABLE, "channels": TABLE, "teams": TABLE, "guardrails": TABLE, "plan": TABLE, "reasons": TABLE,
        "banned": TEXTS}
TREATMENT = {
    "words": SENTENCE, "channel": _choice(CHANNELS), "contact_cost": _number(), "minutes": _number(),
    "offer_cost": _number(), "offer_share": _number(0, 1), "offer_months": _number(), "free_months": _number(),
    "redemption": _number(0, 1), "recovery_rate": _number(0, 1), "strength": _number(1), "by_segment": TABLE,
    "source": TEXT, "only_if": TABLE, "needs": TEXTS, "cooldown_days": _number(), "most": _number(whole=True),
    "messages": TEXTS,
}
CHANNEL = {"contacts_a_day": _number(), "team": TEXT}
TEAM = {"minutes_a_day": _number()}
GUARDRAILS = {"least_roi": _number(-1), "payback_days": _number(), "most_of_ltv": _number(0, 1), "sleeping_dogs": FLAG}
PLAN = {"budget": _number(), "days": _number(1)}
RATE = _number(0, 1)
NEEDED = {"words", "channel", "contact_cost"}


def read(text: str, name: str) -> tuple[Playbook | None, list[Finding]]:
    """The playbook in the text and no findings; or none, and every mistake as a finding. `name`: the file's."""
    try:
        entries = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        return None, [Finding("error", name, f"It is not valid TOML: {problem}.", "Correct that line.")]
    problems = list(_problems(entries))
    if problems:
        lines = lines_of(text)
        told = sorted((line_of(lines, path), path, what, cure) for path, what, cure in problems)
        return None, [Finding("error", f"{name}, line {line}{_entry(path)}", what, cure)
                      for line, path, what, cure in told]
    return _built(entries), []


def _entry(path: Path) -> str:
    """The entry as a reader would look for it: ", [treatments.x] contact_cost"."""
    tables = {"treatments": 2, "channels": 2, "teams": 2, "segments": 1, "guardrails": 1, "plan": 1, "reasons": 1}
    depth = tables.get(str(path[0]), 0) if path else 0
    head = f"[{'.'.join(map(str, path[:depth]))}]" if depth else ""
    rest = ", ".join(f"item {part + 1}" if isinstance(part, int) else str(part) for part in path[depth:])
    return f", {f'{head} {rest}'.strip()}" if path else ""


def _problems(entries: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _by_rules((), entries, HEAD, {"sector", "treatments", "segments"})
    treatments, segments, channels, teams = (_tables(entries, name)
                                             for name in ("treatments", "segments", "channels", "teams"))
    for name, own in treatments.items():
        yield from _of_treatment(("treatments", name), own)
    for needed, whom in ((LEAVE_ALONE, "customers who need nothing"), (WIN_BACK, "customers who have left")):
        if needed not in treatments:
            yield (), f"There is no step for {whom}:", f"add [treatments.{needed}]; every playbook needs it."
    yield from _of_segments(segments, treatments)
    for name, own in channels.items():
        yield from _named(("channels", name), name, CHANNELS, own, CHANNEL)
        if isinstance(own, dict) and own.get("team", "") and own["team"] not in teams:
            yield ("channels", name, "team"), f"There is no team {own['team']!r}.", _one_of("team", teams)
    for name, own in teams.items():
        yield from _by_rules(("teams", name), own, TEAM, {"minutes_a_day"})
    yield from _by_rules(("guardrails",), _tables(entries, "guardrails"), GUARDRAILS)
    yield from _by_rules(("plan",), _tables(entries, "plan"), PLAN)
    reasons = _tables(entries, "reasons")
    yield from _by_rules(("reasons",), reasons, dict.fromkeys(reasons, SENTENCE))


def _tables(entries: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = entries.get(name, {})
    return found if isinstance(found, dict) else {}


def _by_rules(where: Path, own: Any, rules: Mapping[str, Rule], needed: Collection[str] = ()) -> Iterator[Problem]:
    """Entries unknown, missing, or not as their rule says."""
    if not isinstance(own, dict):
        yield where, f"{own!r} stands where a table belongs;", TABLE.cure
        return
    for name, value in own.items():
        if name not in rules:
            yield (*where, name), f"Unknown entry {name!r}.", f"Known entries: {', '.join(sorted(rules))}."
        elif not rules[name].fits(value):
            yield (*where, name), f"{name} is {value!r};", rules[name].cure
    for name in sorted(set(needed) - set(own)):
        yield where, f"{name} is missing;", f"add {name}."


def _named(where: Path, name: str, names: tuple[str, ...], own: Any, rules: Mapping[str, Rule]) -> Iterator[Problem]:
    if name not in names:
        yield where, f"There is no {name!r}.", f"Write one of: {', '.join(names)}."
    yield from _by_rules(where, own, rules)


def _of_treatment(where: Path, own: Any) -> Iterator[Problem]:
    yield from _by_rules(where, own, TREATMENT, NEEDED)
    if not isinstance(own, dict):
        return
    offered = [name for name in OFFERS if own.get(name)]
    if len(offered) > 1:
        yield (*where, offered[1]), f"There is {offered[0]} too;", "offer one of offer_cost, offer_share, free_months."
    if bool(own.get("offer_share")) != bool(own.get("offer_months")):
        yield where, "A share of revenue is offered for some months:", "write offer_share and offer_months together."
    if own.get("channel") == "none" and own.get("contact_cost"):
        yield (*where, "contact_cost"), "Nobody is contacted through the channel \"none\";", "write 0, or a channel."
    for name, rate in _tables(own, "by_segment").items():
        if name not in SEGMENTS:
            yield (*where, "by_segment", name), f"There is no segment {name!r}.", _one_of("segment", SEGMENTS)
        elif not RATE.fits(rate):
            yield (*where, "by_segment", name), f"The rate of {name} is {rate!r};", RATE.cure
    for column, allowed in _tables(own, "only_if").items():
        yield from _of_rule((*where, "only_if", column), allowed)
    rules, needs = _tables(own, "only_if"), own.get("needs", [])
    for name in needs if isinstance(needs, list) else ():
        if name not in rules:
            yield (*where, "needs"), f"It needs {name!r}, of which only_if says nothing;", "name columns of only_if."


def _of_rule(where: Path, allowed: Any) -> Iterator[Problem]:
    """An eligibility rule: a list of values, or a range of numbers."""
    if isinstance(allowed, list):
        if not allowed or not all(isinstance(value, (str, int, float)) for value in allowed):
            yield where, f"{where[-1]} is {allowed!r};", 'write the values that allow it: ["Yes"], or a range.'
        return
    if not isinstance(allowed, dict) or not set(allowed) <= {"least", "most"} or not allowed:
        yield where, f"{where[-1]} is {allowed!r};", 'write a list of values, or { least = 6, most = 24 }.'
        return
    wrong = [value for value in allowed.values() if not isinstance(value, (int, float)) or isinstance(value, bool)]
    if wrong or allowed.get("least", -math.inf) > allowed.get("most", math.inf):
        yield where, f"The range of {where[-1]} is {allowed!r};", "write numbers, the least first: { least = 6 }."


def _of_segments(segments: Mapping[str, Any], treatments: Mapping[str, Any]) -> Iterator[Problem]:
    if set(segments) != set(SEGMENTS):
        odd = next((name for name in segments if name not in SEGMENTS), "")
        yield ("segments", odd) if odd else ("segments",), "The segments are not complete:", \
            f"name exactly these six: {', '.join(SEGMENTS)}."
    for segment, steps in segments.items():
        if not isinstance(steps, list) or not steps:
            yield ("segments", segment), f"{segment} is {steps!r};", "write a list of treatments, the first step first."
            continue
        for number, step in enumerate(steps):
            if step not in treatments:
                at = ("segments", segment, number)
                yield at, f"There is no treatment {step!r}.", _one_of("treatment", treatments)


def _one_of(kind: str, names: Any) -> str:
    return f"Choose one of: {', '.join(sorted(names))}." if names else f"Add the {kind} first."


def _built(entries: dict[str, Any]) -> Playbook:
    """The playbook of entries without a mistake."""
    treatments = {name: _treatment(name, own) for name, own in entries["treatments"].items()}
    channels = {name: Channel(name, **own) for name, own in entries.get("channels", {}).items()}
    head = {name: entries[name] for name in ("minimum_tenure_months", "minimum_tenure_column") if name in entries}
    return Playbook(
        entries["sector"], treatments, {name: tuple(steps) for name, steps in entries["segments"].items()}, **head,
        channels=channels, teams={name: own["minutes_a_day"] for name, own in entries.get("teams", {}).items()},
        guardrails=Guardrails(**entries.get("guardrails", {})), plan=Terms(**entries.get("plan", {})),
        reasons=entries.get("reasons", {}), banned=tuple(entries.get("banned", ())))


def _treatment(name: str, own: Mapping[str, Any]) -> Treatment:
    kept = {field.name: own[field.name] for field in fields(Treatment) if field.name in own}
    rules = {column: _allowed(value) for column, value in own.get("only_if", {}).items()}
    texts = {key: tuple(own.get(key, ())) for key in ("needs", "messages")}
    return Treatment(name=name, **{**kept, "only_if": rules, **texts})


def _allowed(value: Any) -> Allowed:
    return Range(**value) if isinstance(value, dict) else tuple(value)
