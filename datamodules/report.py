"""What a user's copy of a dataset holds, against what it should: plain rows for any printer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
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

    def add_folder(self, title: str, remedy: str) -> bool:
        """Whether the folder is there at all; append a row that says so."""
        there = Path(self.root).is_dir()
        if there:
            self.add("folder", f"a copy of {title}", self.root, "ok")
        else:
            self.add("folder", self.root, "nothing", "missing", remedy)
        return there

    def add_marker(self, marker: Path | None, what: str) -> None:
        """Append a row if a stand-in's marker lies in the copy."""
        if marker is not None:
            self.add(
                "genuine",
                "no stand-in",
                f"{marker.relative_to(self.root)} marks {what}",
                "missing",
                "give the folder of the real copy",
            )
