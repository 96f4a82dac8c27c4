"""Stands for a cell's process where the real one, with torch, would only cost time.

Usage: python fake_cell.py MODE RESULTS CELL_JSON
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from filelock import FileLock

from benchmarks.schema import CellSpec
from benchmarks.store import Store

MADE = {"commit": "c", "dirty": False, "device": "cpu", "started": "now", "wall_seconds": 1.0}


def main(mode: str, results: str, text: str) -> None:
    cell = CellSpec.model_validate_json(text)
    store = Store(Path(results))
    folder = store.run_folder(cell.cell_id)
    with (folder / "attempts.txt").open("a") as stream:
        stream.write(f"{os.environ['WHATWHERE_CELL_ID']} {os.getpgid(0) == os.getpid()}\n")
    attempt = len((folder / "attempts.txt").read_text().splitlines())
    if mode == "crash":
        sys.exit("the last words\n")
    if mode == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "killed" or (mode == "killed-once" and attempt == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "stopped":
        sys.exit(75)
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "obeys":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    if mode in ("deaf", "obeys"):
        with FileLock(store.lock(cell)):
            (folder / "progress.json").write_text(json.dumps({"phase": "train", "epoch": 1}))
            (folder / "deaf-or-obeys").touch()
            time.sleep(60)
    status = {"n/a": "n/a", "failed": "failed"}.get(mode, "ok")
    store.write(cell.result(status, None if status == "ok" else "why", metrics={"nme": 2}, **MADE))
    if mode == "ok-and-hangs":
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
