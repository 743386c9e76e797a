"""The executive's digest: one page that says where we stand, what changed, what drives it and what could be done.

    python -m engine digest --dataset acme --output digest.html

Figures about all customers together: no single customer is named in it, so every role may write one.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from engine import files, state
from engine.briefing.facts import gather, record
from engine.briefing.page import page
from engine.insight.source import scope
from engine.permissions import allow
from engine.schema import Actor

__all__ = ["digest"]


def digest(name: str, output: Path, *, actor: Actor, now: datetime, run_id: str | None = None,
           scenario: str = "", budget: float | None = None) -> dict[str, Any]:
    """Write the digest on the dataset's current run, or the one given; the file is there whole or not at all.

    Args:
        scenario: the name of a saved recovery scenario; the assumptions that the screen begins with when left out.
        budget: what may be invested [currency], instead of the scenario's.

    Raises:
        Refused: if the actor may not see aggregates.
        EngineError: if there is no such dataset, run or scenario, or the file cannot be written.
    """
    allow(actor, "overview")
    facts = gather(scope(name, run_id), actor, now, scenario, budget)
    content = page(facts).encode()
    files.write_bytes(output, content)
    state.record(actor, "digest", name, now, {"run_id": facts.scope.run.run_id, "output": output.name})
    return record(facts) | {"output": str(output), "bytes": len(content)}
