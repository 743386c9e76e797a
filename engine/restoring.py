"""A restore brings nobody back who was erased since the backup was made: they are erased again, right after it.

    data/.restore/erased.json -> data/.to-erase.json     whom, as the audit log calls them; gone once it is done

The log becomes the backup's, so whom to erase is written down before anything is decided, and whoever comes after a
crash completes it. A whole dataset that was erased since is back: that is what backups are for, and it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from engine import backup, erasure, forgetting
from engine.backup import Erased
from engine.campaign import traces
from engine.catalog import erased_since
from engine.errors import EngineError
from engine.files import read_record
from engine.pseudonyms import pseudonyms
from engine.schema import Actor


def restore(path: Path, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Put everything back as it was when the backup was made, but for whom was erased since; returns what that was.

    What else came after the backup is gone: datasets, models, users, log. All sessions end. An archive brings models,
    which are programs: restore only backups of your own.

    Raises:
        EngineError: when the archive is damaged, was made by a newer Holdfast or does not fit on the disk, or when
            somebody is at work on a dataset.
    """
    report = backup.restore(path, actor=actor, now=now)
    done, advice = erase_again(now)
    return report | {"erased_again": done, "advice": advice}


def finish_restore(actor: Actor, now: datetime) -> bool:
    """Carry out a restore that was decided before a crash, and erase again who is to be; whether there was one."""
    found = backup.finish_restore(actor, now)
    erase_again(now)
    return found


def erase_again(now: datetime) -> tuple[int, list[str]]:
    """Erase who was erased before the restore and is back, in the name of who did it then; how many, and what is left
    to do. Where somebody is at work it waits for whoever comes next."""
    if not erased_since().is_file():
        return 0, []
    done, advice, waiting = 0, list[str](), False
    for one in read_record(erased_since(), tuple[Erased, ...]):
        try:
            for who in _called(one.dataset, one.customer):
                told = erasure.erase_customer(one.dataset, who, reason=one.reason, actor=one.actor, now=now)
                done, advice = done + 1, [*advice, *told["advice"]]
        except EngineError as problem:
            waiting = True
            advice.append(f"Of {one.dataset} somebody who was erased is not erased again yet: {problem}")
    if not waiting:
        erased_since().unlink()
    return done, list(dict.fromkeys(advice))


def _called(name: str, customer: str) -> Sequence[str]:
    """The ids in the dataset's versions, and in the ledger, that the audit log calls so."""
    ids = set(traces.ids())
    for version in forgetting.versions_of(name):
        ids |= set(pq.read_table(version.customers, columns=["customer_id"]).column(0).to_pylist())
    known = sorted(map(str, ids))
    return [who for who, called in zip(known, pseudonyms(known), strict=True) if called == customer]
