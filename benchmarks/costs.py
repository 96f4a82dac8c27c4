"""What a cell has cost over all its attempts, and which code has trained it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from benchmarks import environment
from benchmarks.files import read_json, write_json
from benchmarks.ranks import is_leader
from benchmarks.schema import CellResult

log = logging.getLogger(__name__)

CHANGES: Final = "+changes"
"""Behind a commit whose code had uncommitted changes."""


@dataclass
class Costs:
    """Kept in ``RUN/state.json``, where a kill does not reach it.

    Args:
        started: when the first attempt began.
        wall_seconds: of all attempts together.
        train_seconds: spent in training; that of another cell, if its training was taken over.
        peak_memory_mib: the most that a process held.
        commits: of the code that trained, each in its turn.
        taken_from: table, row and id (``cell``) of the cell that trained, if another one has.
        accelerated: ways in which the networks were run while they learned, of any attempt.
        base_commits: of the code that trained the weights it started from.
    """

    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    wall_seconds: float = 0.0
    train_seconds: float = 0.0
    peak_memory_mib: float = 0.0
    commits: list[str] = field(default_factory=list)
    taken_from: dict[str, str] = field(default_factory=dict)
    accelerated: list[str] = field(default_factory=list)
    base_commits: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What stands in a file; None where there is none, or a damaged one (said aloud)."""
        try:
            return cls(**read_json(path))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            log.warning("%s is damaged (%s): times are counted from now on", path, error)
            return None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_json(path, asdict(self))

    def forget_training(self) -> None:
        """Training begins anew."""
        self.train_seconds = 0.0
        self.commits.clear()
        self.taken_from.clear()
        self.accelerated.clear()

    def note_training(self, accelerated: Sequence[str]) -> None:
        """The code that runs now trains, in these ways."""
        name = commit_name(*environment.commit_and_dirty())
        if name not in self.commits[-1:]:
            self.commits.append(name)
        self.accelerated = sorted({*self.accelerated, *accelerated})

    def remark(self, row: str) -> str:
        """What a reader of a row should know of its training; empty for one in one go, its own."""
        by = f" by {', then '.join(self.commits)}"
        if not self.taken_from:
            return f"trained in parts{by}" if len(self.commits) > 1 else ""
        name = self.taken_from["row"]
        as_row = "" if name == row else f" as row '{name}'"
        now = [commit_name(*environment.commit_and_dirty())]
        by = "" if self.commits == now else by
        return f"trained in table '{self.taken_from['table']}'{as_row}{by}"

    @property
    def trained_with_changes(self) -> bool:
        """Whether code that no commit holds has had a part in the training."""
        return any(name.endswith(CHANGES) for name in (*self.commits, *self.base_commits))


class Clock:
    """Adds up the costs of one attempt, and keeps them in their file.

    Args:
        costs: of the attempts before.
        path: the file.
    """

    def __init__(self, costs: Costs, path: Path) -> None:
        self.costs, self.path = costs, path
        self.began = self._ticked = time.monotonic()
        self.training = False

    def tick(self) -> None:
        """Add the time since the last tick, and write the sums down."""
        now = time.monotonic()
        self.costs.wall_seconds += now - self._ticked
        if self.training:
            self.costs.train_seconds += now - self._ticked
        self._ticked = now
        peak = environment.peak_memory_mib()
        self.costs.peak_memory_mib = max(self.costs.peak_memory_mib, peak)
        if is_leader():
            self.costs.write(self.path)


def unvouched(cell: CellResult) -> str:
    """What a cell that is dirty was measured with, and what to do about it."""
    if cell.commit == environment.UNKNOWN:
        return (
            "code of no known revision: run the suite from a checkout, or install it with "
            "`pip install git+https://HOST/OWNER/whatwhere@REVISION`, then measure again with "
            "`--again`"
        )
    return "uncommitted changes: commit them, then run it again with `--again`"


def commit_name(commit: str, dirty: bool) -> str:
    """A commit in short, e.g. ``c2e984b0f3a1`` or ``c2e984b0f3a1+changes``."""
    return commit[:12] + (CHANGES if dirty else "")
