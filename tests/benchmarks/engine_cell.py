"""A cell's command without torch, for engines: locked, resumable, idempotent, stopped with 75.

Usage: python engine_cell.py RESULTS CELL_JSON EPOCHS SECONDS

``epochs.txt`` of its run folder gets a line an epoch, with the process and its device; an epoch is
kept in ``state`` when it is over. ``finished.txt`` gets a line whenever it writes its result. Where
``hold`` stands, the first attempt at the second epoch takes until it is stopped or killed.
"""

import os
import signal
import sys
import time
from pathlib import Path

from filelock import FileLock

from benchmarks.schema import CellSpec
from benchmarks.store import Store

MADE = {"commit": "c", "dirty": False, "device": "cpu", "started": "now", "wall_seconds": 1.0}


def main(results: str, text: str, epochs: str, seconds: str) -> None:
    cell = CellSpec.model_validate_json(text)
    assert os.environ["WHATWHERE_CELL_ID"] == cell.cell_id
    parent = int(os.environ["WHATWHERE_RUNNER_PID"])
    store = Store(Path(results))
    folder = store.run_folder(cell.cell_id)
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    with FileLock(folder / "lock"):
        if store.finished(cell):
            return
        done = int((folder / "state").read_text()) if (folder / "state").exists() else 0
        for epoch in range(done, int(epochs)):
            with (folder / "epochs.txt").open("a") as stream:
                visible = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
                stream.write(f"{epoch} {os.getpid()} {parent} {visible}\n")
            begun = [int(line.split()[0]) for line in (folder / "epochs.txt").open()]
            held = epoch == 1 == begun.count(1) and (folder / "hold").exists()
            until = time.monotonic() + float(seconds)
            while held or time.monotonic() < until:
                if asked or os.getppid() != parent:
                    # As a real one: a second signal must not make another code of this.
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    sys.exit(75)
                time.sleep(0.05)
            (folder / "state.new").write_text(str(epoch + 1))
            (folder / "state.new").replace(folder / "state")
        with (folder / "finished.txt").open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        store.write(cell.result("ok", None, metrics={"nme": 2}, **MADE))


if __name__ == "__main__":
    main(*sys.argv[1:])
