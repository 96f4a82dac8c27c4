"""What a user's copy of a dataset holds, against what it should: plain rows for any printer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["ok", "warn", "missing"]


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    ``warn``: usable, but not the official copy. ``missing``: absent or unusable, so preparing
    the dataset fails until the remedy is followed.
    """

    item: str
    expected: str
    found: str
    status: Status
    remedy: str = ""


@dataclass
class Report:
    """All checks of a copy, in reading order."""

    dataset: str
    root: str
    checks: list[Check] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether the dataset can be prepared from this copy."""
        return all(check.status != "missing" for check in self.checks)

    def add(self, item: str, expected: str, found: str, status: Status, remedy: str = "") -> None:
        """Append a row."""
        self.checks.append(Check(item, expected, found, status, "" if status == "ok" else remedy))
