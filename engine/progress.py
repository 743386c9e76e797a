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

Part = Callable[[int, int], None]

FILE = "HOLDFAST_PROGRESS"


@dataclass(frozen=True)
class Progress:
    """A moment of the work: in which step, how many steps are done, of how many (0 while nobody knows).

    seconds: what the step took, None until it ends. part: how much of the step is done [share 0..1].
    """

    step: str
    done: int
    of: int
    seconds: float | None = None
    part: float = 0.0

    @property
    def share(self) -> float:
        """How much of the whole work is done [share 0..1], each step counted alike; 0 while nobody knows.

        >>> Progress("Train", 1, 4, part=0.5).share
        0.375
        """
        return min(1.0, (self.done + self.part) / self.of) if self.of else 0.0


Told = Callable[[Progress], None]


class Steps:
    """The steps of one piece of work, timed. `of` is how many there will be, 0 while nobody knows.

    told: called when a step begins, gets on, and ends.

    >>> steps = Steps(of=2, told=lambda now: print(f"{now.step}: {now.done} of {now.of}"))
    >>> with steps("Read"):
    ...     pass
    Read: 0 of 2
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
        self._tell(step)
        yield lambda done, of: self._tell(step, part=done / of)
        self.seconds.append((step, time.perf_counter() - began))
        self._tell(step, seconds=self.seconds[-1][1])

    def _tell(self, step: str, seconds: float | None = None, part: float = 0.0) -> None:
        done = len(self.seconds)
        progress = Progress(step, done, max(self.of, done), seconds, part)
        if self.told:
            self.told(progress)
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
