"""Cells of `engine_cell` under a real engine, and what is done to them meanwhile."""

import io
import sys
import threading
import time
from pathlib import Path

from rich.console import Console

from benchmarks.console import Reporter
from benchmarks.runner import Runner
from tests.benchmarks import engine_cell

EPOCHS = 3


def run(engine, store, cells, *, meanwhile, seconds=0.1):
    """The runner's list of failures, and what it showed; ``seconds`` are an epoch's."""

    def command(cell, slot):
        options = [str(store.root), cell.model_dump_json(), str(EPOCHS), str(seconds)]
        return [sys.executable, str(Path(engine_cell.__file__)), *options]

    screen = io.StringIO()
    thread = threading.Thread(target=meanwhile)
    with Reporter(Console(file=screen, width=200), len(cells), {"tiny": "nme"}) as reporter:
        runner = Runner(store, engine, command, reporter)
        thread.start()
        try:
            failed = runner.run(cells)
        finally:
            thread.join()
    return failed, screen.getvalue()


def epochs_of(store, cell):
    """What stands in ``epochs.txt``: epoch, process, parent, and device of each attempt."""
    path = store.run_folder(cell.cell_id) / "epochs.txt"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def until(condition, seconds=120):
    """Wait for something; what it is."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def hold(store, cells):
    """Let the second epoch of cells last until they are stopped or killed."""
    for cell in cells:
        folder = store.run_folder(cell.cell_id)
        folder.mkdir(parents=True)
        (folder / "hold").touch()


def held(store, cell):
    """Process and parent of a cell that is held: its first epoch is saved."""
    until(lambda: len(epochs_of(store, cell)) == 2)
    _, process, parent, _ = epochs_of(store, cell)[-1]
    return int(process), int(parent)
