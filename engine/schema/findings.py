"""A finding: something a person should know about the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning", "severe", "error"]
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "severe", "error")


@dataclass(frozen=True)
class Finding:
    """Something a person should know about the data: where, what, how many rows, and what to do.

    "note" informs, "warning" asks for a look, "severe" heads every figure until a person answers it, and only
    "error" stops the pipeline.

    >>> print(Finding("warning", "TotalCharges", "11 values are blank.", "Read as 0 because tenure is 0.", 11))
    warning: TotalCharges: 11 values are blank. Read as 0 because tenure is 0.
    """

    severity: Severity
    where: str
    what: str
    fix: str = ""
    rows: int = 0

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.what} {self.fix}".rstrip()
