"""How far the work is: timed steps, told to whoever listens and to the file that a job's watcher reads."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.files import writing

Told = Callable[[str, float, int], None]
Part = Callable[[int, int], None]

FILE = "HOLDFAST_PROGRESS"


@dataclass(frozen=True)
class Progress:
    """A moment of the work: in which step, steps done (fractions count), of how many, and the step's seconds so far."""

    step: str
    done: float
    of: int
    seconds: float


class Steps:
    """The steps of one piece of work, timed. `of` is how many there will be, 0 while nobody knows.

    >>> steps = Steps(of=2, told=lambda step, done, of: print(f"{step}: {done:g} of {of}"))
    >>> with steps("Read") as part:
    ...     part(1, 4)
    Read: 0 of 2
    Read: 0.25 of 2
    Read: 1 of 2
    >>> [name for name, seconds in steps.seconds]
    ['Read']
    """

    def __init__(self, of: int = 0, told: Told | None = None) -> None:
        self.of, self.told = of, told
        self.seconds: list[tuple[str, float]] = []
        self._file = Path(os.environ[FILE]) if os.environ.get(FILE) else None

    @contextmanager
    def __call__(self, step: str) -> Iterator[Part]:
        """Time what happens inside; yields `part(done, of)` for steps that know how far they are."""
        began = time.perf_counter()
        self._tell(step, 0.0, began)
        yield lambda done, of: self._tell(step, done / of, began)
        self.seconds.append((step, time.perf_counter() - began))
        self._tell(step, 0.0, began)

    def _tell(self, step: str, share: float, began: float) -> None:
        done = len(self.seconds) + share
        progress = Progress(step, done, max(self.of, len(self.seconds)), round(time.perf_counter() - began, 3))
        if self.told:
            self.told(progress.step, progress.done, progress.of)
        if self._file:
            _append(self._file, progress)


def _append(path: Path, progress: Progress) -> None:
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(progress)) + "\n")


def read_progress(path: Path) -> list[Progress]:
    """Every moment told so far, oldest first; a line still being written is left for the next look."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [Progress(**json.loads(line)) for line in lines if line.endswith("\n")]
