"""What every benchmark shares: a row of the result table, and a clock for CPU seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One measured figure beside its goal. `met` is None where there is nothing to meet, only something to know."""

    name: str
    measured: str
    goal: str = ""
    met: bool | None = None
    note: str = ""


@dataclass
class Clock:
    """CPU and wall seconds of a block; `cpu` counts all threads of this process, and of children that ended in it."""

    cpu: float = field(default=float("nan"))
    wall: float = field(default=float("nan"))


@contextmanager
def clock() -> Iterator[Clock]:
    """Measure the block.

    >>> with clock() as took:
    ...     _ = sum(range(1000))
    >>> took.cpu >= 0
    True
    """
    result = Clock()
    cpu, wall = _cpu(), time.perf_counter()
    yield result
    result.cpu, result.wall = _cpu() - cpu, time.perf_counter() - wall


def _cpu() -> float:
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system
