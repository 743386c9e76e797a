"""The server's log: what is said on stderr also goes to a file that rotates, without what belongs to a customer.

Neither place gets the words of an exception (they may quote a customer), only its type and where it happened; nor
anything that looks like an address of a person, the query of an address, a session's id or a token.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from engine.files import writing

MOST_BYTES = 5_000_000
OLDER_FILES = 4
LONGEST_LINE = 2_000
SECRET = re.compile(r"\?\S+"                                                     # the query of an address
                    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # a session's id
                    r"|[\w-]{40,}"                                               # a token, or its digest
                    r"|[^\s@'\"<>]+@[^\s@'\"<>]+\.\w+")                           # an e-mail address


def begin(folder: Path) -> Path:
    """Write to holdfast.log in the folder from now on; returns its path."""
    path = folder / "holdfast.log"
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=OLDER_FILES, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.setLogRecordFactory(Record)
    sys.stderr = Both(sys.stderr, file)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    sys.excepthook = lambda *uncaught: _tell(uncaught[1])
    threading.excepthook = lambda uncaught: _tell(uncaught.exc_value)
    return path


def scrubbed(text: str) -> str:
    """The text without what may belong to a person or open a session.

    >>> scrubbed("GET /customer?id=7 by ana@example.com in 0a1b2c3d-0000-1111-2222-333344445555")
    'GET /customer… by … in …'
    """
    return SECRET.sub("…", text)[:LONGEST_LINE]


class Record(logging.LogRecord):
    """A line of the log; of an exception it tells the type and the places, not the words."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if self.exc_info and self.exc_info[1]:
            self.exc_text = where(self.exc_info[1])


def where(problem: BaseException) -> str:
    """An exception's type and the places it passed, and before them those of what caused it."""
    cause = problem.__cause__ or problem.__context__
    frames = traceback.extract_tb(problem.__traceback__)
    places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join([*([where(cause), "which led to"] if cause else []), *places, type(problem).__name__])


def _tell(problem: BaseException | None) -> None:
    sys.stderr.write(f"{where(problem) if problem else 'A thread ended without a word'}\n")


class Both:
    """A stream that passes text on, scrubbed, and keeps its whole lines in a log file."""

    def __init__(self, stream: TextIO, file: logging.Handler) -> None:
        self.stream, self.file, self.begun, self.one = stream, file, "", threading.Lock()

    def write(self, text: str) -> int:
        """Take text; a line is passed on and kept once it is whole."""
        with self.one:
            *lines, self.begun = (self.begun + text).split("\n")
            for line in map(scrubbed, lines):
                self.stream.write(line + "\n")
                if line.strip():
                    self.file.handle(logging.LogRecord("holdfast", logging.INFO, "", 0, line, None, None))
        return len(text)

    def flush(self) -> None:
        """Pass on what is held."""
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
