"""Reading back what W&B wrote in offline mode.

By the client's own ``wandb leet inspect`` (0.31 and later), the only public way: the Python reader
that older scripts import was removed from the client.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tracking.session import TrackingError


@dataclass(frozen=True)
class OfflineRun:
    """What one attempt at a run has left in its folder.

    Args:
        folder: ``.../wandb/offline-run-<date>_<time>-<id>``.
        history: the logged rows, in order.
        metric_rules: name, or pattern, of a metric -> what was defined of it.
        files: logged media, paths below ``folder/files``.
        state: ``finished``, ``failed``, ...
    """

    folder: Path
    run_id: str
    project: str
    name: str
    group: str
    job_type: str
    tags: list[str]
    config: dict[str, Any]
    summary: dict[str, Any]
    state: str
    exit_code: int | None
    notes: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    metric_rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def read_offline_runs(run_dir: Path) -> list[OfflineRun]:
    """Read back what ``offline`` runs wrote, one entry an attempt, oldest first.

    A damaged log is read up to the damage, and W&B says nothing of it.

    Args:
        run_dir: the folder that `make_logger` was given.

    Raises:
        TrackingError: the client cannot read a run.
    """
    return [_read(folder) for folder in sorted((Path(run_dir) / "wandb").glob("offline-run-*"))]


def _read(folder: Path) -> OfflineRun:
    summary = json.loads(_inspect(folder, "--summary"))
    records = [json.loads(line) for line in _inspect(folder).splitlines()]
    found: dict[str, list[Any]] = {}
    for record in records:
        found.setdefault(record["type"], []).append(record[record["type"]])
    # A resume may be on record with more than one `run`: the last one counts.
    run = found["run"][-1] if "run" in found else {}
    return OfflineRun(
        folder=folder,
        run_id=summary["run_id"],
        project=summary["project"],
        name=summary["name"],
        group=run.get("run_group", ""),
        job_type=run.get("job_type", ""),
        tags=summary.get("tags") or [],
        config=summary.get("config") or {},
        summary=summary.get("summary") or {},
        state=summary["state"],
        exit_code=summary.get("exit_code"),
        notes=summary.get("notes", ""),
        history=[record["item"] for record in found.get("history", [])],
        metric_rules={
            rule.get("name") or rule["glob_name"]: rule for rule in found.get("metric", [])
        },
        files=[item["path"] for record in found.get("files", []) for item in record["files"]],
    )


def _inspect(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise TrackingError(f"{folder}: not readable as a W&B run ({done.stderr.strip()})")
    return done.stdout
