"""Keeps a library's C code from writing to this process's output: HiGHS prints a line of its own now and then."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STDOUT = 1
ONE_AT_A_TIME = threading.Lock()


@contextmanager
def unheard() -> Iterator[None]:
    """Nothing that is printed meanwhile reaches standard output, be it by C code or by Python.

    >>> with unheard():
    ...     _ = os.write(STDOUT, b"nobody reads this")
    """
    with ONE_AT_A_TIME, Path(os.devnull).open("w") as nowhere:
        _flush()
        kept = os.dup(STDOUT)
        try:
            os.dup2(nowhere.fileno(), STDOUT)
            yield
        finally:
            _flush()
            os.dup2(kept, STDOUT)
            os.close(kept)


def _flush() -> None:
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)
