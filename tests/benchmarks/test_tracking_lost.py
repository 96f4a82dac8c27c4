"""W&B fails in the middle of a run: the training goes on, and its cell says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tracking
from tests.benchmarks.test_tracking import _clean, cell  # noqa: F401, for every test here

ROOT = str(Path(__file__).parents[2])


@pytest.mark.skipif(sys.platform != "linux", reason="finds the client's process in /proc")
def test_a_training_goes_on_when_the_process_of_wandb_is_killed(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        """
import contextlib, os, signal, sys
from pathlib import Path
from benchmarks import keepsakes
from tests.benchmarks.test_tracking import cell, train, result

folder, remarks = Path(sys.argv[1]), []
logger = keepsakes.open_logger(cell(), folder, "offline", remarks.append)
train(logger, folder, 1)
assert not remarks
for entry in Path("/proc").glob("[0-9]*"):
    with contextlib.suppress(OSError):  # others end meanwhile
        status = (entry / "status").read_text()
        if f"PPid:\\t{os.getpid()}\\n" in status and "wandb" in (entry / "cmdline").read_text():
            os.kill(int(entry.name), signal.SIGKILL)
train(logger, folder, 3)
keepsakes.finish_logger(logger, result(cell()), [])
[remark] = remarks
assert remark.startswith("on W&B in part: ")
print("trained")
"""
    )
    # A process of its own to kill, and not this one's.
    own = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=200,
        env=own | {"PYTHONPATH": ROOT},
    )
    assert "trained" in done.stdout and done.returncode == 0, done.stderr


def test_no_failure_of_wandb_ends_a_catching_up(tmp_path, monkeypatch):
    logger = tracking.make_logger(cell(), tmp_path, "offline")
    reasons = []
    logger.on_lost = reasons.append

    def broken(row):
        raise ConnectionResetError("gone")

    monkeypatch.setattr(logger.run, "log", broken)
    logger.catch_up([{"step": 1, "train/loss": 1.0}, {"step": 2, "train/loss": 0.5}])
    logger.close()
    assert reasons == ["ConnectionResetError: gone"]
