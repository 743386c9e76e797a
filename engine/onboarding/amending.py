"""A proposal as a person wants it: other columns for a part, other uses, other cures, or another mapping altogether."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.data.adapters import mapping as mappings
from engine.data.doctor import propose as proposing
from engine.data.doctor.leavers import who_left
from engine.data.doctor.legends import legend
from engine.data.doctor.recognise import Part
from engine.data.doctor.windows import window_days
from engine.data.sources import brought
from engine.errors import EngineError
from engine.onboarding import renames
from engine.onboarding.examining import examined
from engine.onboarding.memory import kept
from engine.onboarding.proposal import Proposal, written
from engine.onboarding.proposing import again

NOTHING: Mapping[str, Any] = {}
UNCHANGED: Mapping[int, bool] = {}
MORE = {"positive": "label", "per": "money"}


def amended(proposal: Proposal, *, parts: Mapping[str, str] = NOTHING, uses: Mapping[str, str] = NOTHING,
            cures: Mapping[int, bool] = UNCHANGED, horizon_days: int | None = None, mapping: str = "") -> Proposal:
    """The proposal as a person wants it, read and examined anew.

    Args:
        parts: by role ("id", "label", "positive", "money", "per", "tenure", "recency", "currency", "sector", or a
            contact column) the column or value; "" for none. "positive" may hold several values parted by "|", or
            "filled"; "per" is "month" or a number of days.
        uses: by column, "categorical", "numeric", "flags", "dates" or "ignored".
        cures: by place in `proposal.cures`, whether it is carried out.
        mapping: a whole mapping as TOML instead of all these.

    Raises:
        EngineError: when what is said is no mapping, or names what is not there.
    """
    if mapping:
        return _rewritten(proposal, mappings.parsed(mapping, "as written"))
    changed = _with_parts(proposal, parts)
    changed = _with_uses(changed, uses)
    switched = tuple(replace(cure, on=cures.get(place, cure.on)) for place, cure in enumerate(changed.cures))
    scaled = [spec for spec in changed.mapping.get("cures", ()) if spec.get("cure") == "times"]
    chosen = written(cure for cure in switched if cure.spec not in scaled)
    window = {} if horizon_days is None else {"horizon_days": horizon_days}
    again_there = [cure.spec["to"] for cure in switched if cure.on and cure.spec.get("cure") == "renamed"]
    told = renames.restored(changed.mapping, kept(proposal.name) or {}, again_there) if again_there else changed.mapping
    final = {**told, **window, **({"cures": [*chosen, *scaled]} if proposal.adapter == "table" else {})}
    with brought(proposal.sources, proposal.queries) as came:
        return examined(replace(changed, cures=switched, mapping=final), came.files)


def _rewritten(proposal: Proposal, mapping: Mapping[str, Any]) -> Proposal:
    """The proposal with a whole mapping that a person wrote."""
    mappings.check(mapping)
    with brought(proposal.sources, proposal.queries) as came:
        anew = again(proposal, mapping, came.files, refresh=False)
        return examined(replace(anew, refresh=proposal.refresh, changes=proposal.changes), came.files)


def _with_parts(proposal: Proposal, said: Mapping[str, str]) -> Proposal:
    if not said:
        return proposal
    mapping, parts = dict(proposal.mapping), {part.role: part for part in proposal.parts}
    for role, value in said.items():
        if role in ("sector", "currency"):
            mapping[role] = value
            parts[role] = Part(role, "", 1.0, "a person said so", value)
        elif role not in ("positive", "per"):
            parts[role] = _said(proposal, parts.get(role, Part(role)), value)
    for more, role in MORE.items():
        if more in said:
            parts[role] = replace(parts.get(role, Part(role)), value=said[more], confidence=1.0)
    if (label := parts.get("label", Part("label"))).column and not label.value:
        parts["label"] = replace(label, confidence=0.0, evidence="which of its values mean that a customer left is not "
                                                                 "said yet: choose them")
    mapping |= _as_mapping(parts, mapping) | _window(proposal.part("label").column, parts, mapping)
    asked = {MORE.get(role, role) for role in said}
    mapping["guessed"] = {role: why for role, why in mapping.get("guessed", {}).items() if role not in asked}
    used = {part.column for part in parts.values() if part.column and not part.role.startswith("consent")}
    freed = [part.column for part in proposal.parts if part.column and part.column not in used]
    for use in mappings.LISTS:
        mapping[use] = [name for name in mapping.get(use, ()) if name not in used]
    mapping["ignored"] = [*mapping.get("ignored", ()), *freed]
    other = parts.get("label", Part("label")).column != proposal.part("label").column
    faults = tuple(fault for fault in proposal.faults
                   if not (other and fault.lasts and fault.finding.where in proposal.looks))
    return replace(proposal, parts=tuple(parts.values()), mapping=mapping, faults=faults)


def _said(proposal: Proposal, before: Part, column: str) -> Part:
    """The part played by the column that a person names; of another label than before, its own values of who left."""
    look = proposal.looks.get(column)
    anew = before.role == "label" and column != before.column
    value = (who_left(look) if look else "") if anew else before.value
    guessed = f"; {' or '.join(value.split('|'))} is taken to mean left" if anew and value else ""
    return replace(before, column=column, value=value, confidence=1.0, evidence=f"a person said so{guessed}")


def _window(before: str, parts: Mapping[str, Part], mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The days that the name of another label than before says, where nobody has said how many."""
    label = parts["label"].column if "label" in parts else ""
    if label == before or mapping.get("horizon_days") != window_days(legend(before)[0]):
        return {}
    return {"horizon_days": window_days(legend(label)[0])}


def _as_mapping(parts: Mapping[str, Part], before: Mapping[str, Any]) -> dict[str, Any]:
    empty = Part("")
    ids, label, money = (parts.get(role, empty) for role in ("id", "label", "money"))
    made: dict[str, Any] = {"label": proposing.labelled(label, before.get("cures", ())), "money": proposing.paid(money),
                            "id": ids.column, "rows": "" if ids.column else "numbered",
                            "value": "" if money.column else "months"}
    made |= {role: parts.get(role, empty).column for role in ("tenure", "recency")}
    contact = {role: part.column for role, part in parts.items() if role in mappings.CONTACT_KEYS and part.column}
    return {**made, "contact": contact}


def _with_uses(proposal: Proposal, uses: Mapping[str, str]) -> Proposal:
    if not uses:
        return proposal
    mapping = dict(proposal.mapping)
    for column, use in uses.items():
        if use not in mappings.LISTS:
            raise EngineError(f"A column is used as one of {', '.join(mappings.LISTS)}, not as {use!r}.")
        for other in mappings.LISTS:
            mapping[other] = [name for name in mapping.get(other, ()) if name != column]
        mapping[use].append(column)
    columns = tuple(replace(part, role=uses[part.column], confidence=1.0, evidence="a person said so")
                    if part.column in uses else part for part in proposal.columns)
    return replace(proposal, mapping=mapping, columns=columns)
