"""Several fits at once: as many threads as there are cores, results in the order of the tasks, so chance stays out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

EMPTIED = "`sklearn.utils.parallel.delayed` should be used"
Task = TypeVar("Task")
Result = TypeVar("Result")


def each(work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """What `work` makes of each task, in order. The libraries' own threads are held to one meanwhile.

    >>> list(each(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    from threadpoolctl import threadpool_limits

    with _one_thread_of_warnings(), threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(work, tasks)


@contextmanager
def _one_thread_of_warnings() -> Iterator[None]:
    """Warnings as they were before, and none that a forest gives of the filters that another thread's forest has just
    taken out: scikit-learn empties the process's list for a moment with every tree."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, *more: Any, **named: Any) -> None:
            if not str(message).startswith(EMPTIED):
                shown(message, *more, **named)

        warnings.showwarning = show
        yield
