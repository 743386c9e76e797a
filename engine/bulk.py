"""More customers than memory holds: features, and scores, some customers at a time; what was killed resumes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from engine import catalog, state
from engine.data.features.parts import PART, features_in_parts
from engine.files import writing
from engine.permissions import allow
from engine.progress import Steps, Told
from engine.schema import Actor


def features_file(name: str, as_ofs: Sequence[datetime], output: Path, *, actor: Actor, now: datetime,
                  size: int = PART, progress: Told | None = None) -> dict[str, Any]:
    """Write the features of every customer as of the moments into a folder of Parquet files, `size` customers at a
    time; the moment up to which the data are known without any. Asked again, it goes on where it was stopped.

    Raises:
        EngineError: when the folder holds something else, or a snapshot does not know the moment.
    """
    allow(actor, "score")
    dataset = catalog.dataset(name)
    steps = Steps(of=1, told=progress)
    with steps("Compute features, part by part") as part, writing(output):
        made = features_in_parts(dataset, as_ofs or [dataset.observed_until], output, size=size, part=part)
    rows = sum(pq.read_metadata(path).num_rows for path in made)
    state.record(actor, "score", name, now, {"features": rows, "output": output.name})
    return {"dataset": name, "version": dataset.version, "rows": rows, "parts": len(made), "output": str(output),
            "as_ofs": [moment.isoformat() for moment in sorted(set(as_ofs or [dataset.observed_until]))]}
