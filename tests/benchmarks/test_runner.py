import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from benchmarks import bench
from benchmarks.console import Reporter
from benchmarks.devices import Slot
from benchmarks.engines.local import LocalEngine
from benchmarks.engines.process import shell_line, slot_environment
from benchmarks.runner import Runner, RunnerStoppedError, _reason, cell_command
from benchmarks.store import Store
from tests.benchmarks import fake_cell

CPU = Slot("cpu", "", 1)


@pytest.fixture
def fake(tiny, tmp_path):
    """Run cells whose processes do as their row's mode says."""

    def run(modes, *, slots=(CPU,), grace_seconds=20.0, terminal=False, **changes):
        cells = [tiny(seed=seed, **changes) for seed in range(len(modes))]
        script = str(Path(fake_cell.__file__))

        def command(cell, slot):
            mode = modes[cell.seed]
            return [sys.executable, script, mode, str(tmp_path), cell.model_dump_json()]

        screen = io.StringIO()
        console = Console(file=screen, width=200, force_terminal=terminal)
        store = Store(tmp_path)
        with Reporter(console, len(cells), {"tiny": "nme"}) as reporter:
            runner = Runner(
                store, LocalEngine(slots), command, reporter, grace_seconds=grace_seconds
            )
            run.screen = screen
            failed = runner.run(cells)
        return failed, [store.read("tiny", cell.cell_id) for cell in cells], screen.getvalue()

    run.store = Store(tmp_path)
    return run


def attempts(fake, cell_id):
    return (fake.store.run_folder(cell_id) / "attempts.txt").read_text().splitlines()


def test_a_failure_is_a_row_and_the_run_goes_on(fake):
    modes = ["ok", "crash", "segfault", "failed", "n/a", "stopped", "ok"]
    failed, results, screen = fake(modes)
    assert [result and result.status for result in results] == [
        "ok",
        "failed",
        "failed",
        "failed",
        "n/a",
        None,
        "ok",
    ]
    assert results[1].reason == "exit code 1: the last words"
    assert results[2].reason == "killed by SIGSEGV"
    assert [line.partition(" (log")[0] for line in failed] == [
        "tiny good seed 1: exit code 1: the last words",
        "tiny good seed 2: killed by SIGSEGV",
        "tiny good seed 3: why",
        "tiny good seed 5: somebody stopped it",
    ]
    assert "[1/7] tiny good seed 0: ok, 1 s, nme 2.00" in screen
    # Each is told what it was planned as, and leads its own process group.
    assert attempts(fake, results[0].cell_id) == [f"{results[0].cell_id} True"]


def test_a_second_run_repeats_only_what_has_no_number(fake):
    fake(["ok", "crash", "n/a"])
    failed, results, screen = fake(["crash", "ok", "crash"])
    assert failed == []
    assert [result.status for result in results] == ["ok", "ok", "n/a"]
    assert [len(attempts(fake, result.cell_id)) for result in results] == [1, 2, 1]
    assert "tiny good seed 0: ok, finished before" in screen


def test_a_killed_cell_is_tried_once_more(fake):
    failed, results, _ = fake(["killed-once", "killed"])
    assert results[0].status == "ok"
    assert results[1].reason == "killed by SIGKILL twice: out of memory?"
    assert len(failed) == 1


def test_a_number_stays_where_its_process_hangs_afterwards(fake, monkeypatch):
    """A dashboard's upload does not end: the cell is killed in the end, and has its number."""
    real, began = time.monotonic, []

    def clock():
        # Time stands still until the number is written, then it flies.
        if not list(fake.store.root.glob("cells/tiny/*.json")):
            return 0.0
        began[:] = began or [real()]
        return 1000 * (real() - began[0])

    monkeypatch.setattr("benchmarks.runner.time.monotonic", clock)
    failed, [result], screen = fake(["ok-and-hangs"], timeout_minutes=0.1)
    assert failed == [] and result.status == "ok"
    assert "[1/1] tiny good seed 0: ok" in screen


@pytest.mark.parametrize(
    ("code", "words"), [(255, "exit code 255"), (-11, "killed by SIGSEGV"), (-63, "by signal 63")]
)
def test_any_exit_code_is_a_reason(code, words, tmp_path):
    assert words in _reason(code, tmp_path / "log.txt")


def test_slots_run_side_by_side_with_their_own_devices(fake):
    slots = [Slot("cuda", "2", 3), Slot("cuda", "5", 3)]
    failed, results, screen = fake(["ok"] * 3, slots=slots)
    assert failed == [] and all(result.status == "ok" for result in results)
    assert "running on cuda:2" in screen and "running on cuda:5" in screen
    assert slot_environment(slots[1])["CUDA_VISIBLE_DEVICES"] == "5"
    assert slot_environment(slots[1])["OMP_NUM_THREADS"] == "3"
    assert slot_environment(CPU)["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize(("mode", "seconds"), [("obeys", (0, 10)), ("deaf", (2, 15))])
def test_stopping_waits_for_a_cell_and_kills_a_deaf_one(fake, tiny, mode, seconds):
    folder = fake.store.run_folder(tiny().cell_id)

    def interrupt():
        while not (folder / "deaf-or-obeys").exists():
            time.sleep(0.02)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    began = time.monotonic()
    with pytest.raises(RunnerStoppedError, match=r"1 cells were not begun\. The same"):
        fake([mode, "ok"], grace_seconds=2)
    thread.join()
    assert seconds[0] < time.monotonic() - began < seconds[1]
    assert fake.store.read("tiny", tiny().cell_id) is None
    # The handler of whoever called is back.
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_hanging_cell_times_out(fake):
    began = time.monotonic()
    # 1.2 times the allowance and two minutes more, the latter by moving the clock.
    with pytest.MonkeyPatch.context() as patch:
        real = time.monotonic
        patch.setattr("benchmarks.runner.time.monotonic", lambda: 200 * real())
        failed, results, _ = fake(["deaf"], timeout_minutes=0.01)
    assert results[0].status == "timeout"
    assert results[0].reason == "hung: took longer than 0.01 minutes"
    assert len(failed) == 1
    assert time.monotonic() - began < 20


def once_said_to_wait(fake, lock, do=lambda: None):
    """Hold a lock until the runner has said that it waits; then do something and release it."""
    lock.acquire()

    def wait():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            screen = getattr(fake, "screen", None)
            if screen is not None and "waiting for another process" in screen.getvalue():
                break
            time.sleep(0.02)
        do()
        lock.release()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_cell_that_another_process_works_on_is_left_to_it(fake, tiny):
    """The locked cell comes last, and once it is free its result is taken as it is."""
    cell = tiny(seed=0)
    folder = fake.store.run_folder(cell.cell_id)
    folder.mkdir(parents=True)

    def finish():
        assert fake.store.cell_path("tiny", tiny(seed=1).cell_id).exists()
        fake.store.write(cell.result("ok", None, metrics={"nme": 7.0}, **fake_cell.MADE))

    lock = FileLock(folder / "lock", thread_local=False)
    thread = once_said_to_wait(fake, lock, finish)
    failed, results, screen = fake(["crash", "ok"])
    thread.join()
    assert failed == []
    assert results[0].metrics == {"nme": 7.0}
    assert not (folder / "attempts.txt").exists()
    assert "waiting for another process: tiny good seed 0" in screen


def test_a_cell_whose_training_another_process_works_on_comes_last(fake, tiny):
    lock = fake.store.training_lock(tiny(seed=0, table="other"))
    lock.parent.mkdir(parents=True)
    thread = once_said_to_wait(fake, FileLock(lock, thread_local=False))
    failed, results, screen = fake(["ok", "ok"])
    thread.join()
    assert failed == [] and [result.status for result in results] == ["ok", "ok"]
    said = [screen.index(f"tiny good seed {seed}: running") for seed in (1, 0)]
    assert said[0] < screen.index("waiting for another process: tiny good seed 0") < said[1]


class Silent:
    """An engine of which nothing is heard."""

    killed = ()

    def knows(self, cell_id):
        return False

    def submit(self, job):
        return "somewhere"

    def kill(self, cell_id):
        self.killed = (cell_id,)


@pytest.mark.parametrize(
    ("progress", "alive", "hung"),
    [
        ({"phase": "train"}, True, True),
        ({"phase": "train"}, False, False),
        ({"phase": "wait"}, True, False),
        ({"phase": "train", "base": "other"}, True, False),
        ({"phase": "starting", "attempt": "second"}, True, False),
        ({"phase": "starting", "attempt": "first"}, True, True),
        (None, False, False),
    ],
)
def test_only_the_time_that_a_cell_has_had_makes_it_hang(tiny, tmp_path, progress, alive, hung):
    """Not what it waits in a queue, for other processes, or what an earlier attempt took.

    Nor what it waits for another place when its machine was lost: nobody holds its lock then.
    """
    cell, store, engine = tiny(timeout_minutes=1), Store(tmp_path), Silent()
    with Reporter(Console(file=io.StringIO()), 1) as reporter:
        runner = Runner(store, engine, lambda *_: [], reporter)
        runner._start(cell)
        flight = runner._running[cell.cell_id]
        flight.began, flight.attempt = time.monotonic() - 3600, "first"
        if progress is not None:
            path = store.run_folder(cell.cell_id) / "progress.json"
            path.write_text(json.dumps(progress))
        with FileLock(store.lock(cell)) if alive else nullcontext():
            runner._look_at(flight)
    assert engine.killed == ((cell.cell_id,) if hung else ())
    assert hung == (store.read("tiny", cell.cell_id) is not None)


def test_bars_on_a_terminal(fake):
    failed, _, screen = fake(["ok", "failed"], terminal=True)
    assert "cells" in screen and "2/2" in screen and len(failed) == 1


def test_the_command_can_be_typed(tiny):
    cell = tiny("good", seed=3)
    slot = Slot("cuda", "1", 4)
    options = {"table": "my spec.yaml", "results": Path("r"), "cache_dir": None, "wandb": "off"}
    line = shell_line(cell_command(cell, slot, root=Path("/d"), **options), slot)
    assert line.startswith("CUDA_VISIBLE_DEVICES=1 ")
    assert line.endswith(
        "cell 'my spec.yaml' good --seed 3 --budget smoke --source standin --data-root /d "
        "--results r --device cuda --threads 4"
    )
    assert "--compile" in cell_command(cell, slot, root=None, flags=["compile"], **options)


LIGHT_RUNNER = """
import io, sys
from pathlib import Path
from rich.console import Console
from benchmarks import runner, specs, store
from benchmarks.console import Reporter
from benchmarks.devices import Slot
from benchmarks.engines.local import LocalEngine
from tests.benchmarks.tiny_entry import ENTRY

runner.ENTRY = ENTRY
table, results = sys.argv[1:]
cell = specs.resolve_cell(specs.load_spec(table), "good", seed=0, budget="smoke",
                          source="standin", data_fingerprint="0123456789abcdef")
command = lambda cell, slot: runner.cell_command(
    cell, slot, table=table, results=Path(results), root=None, cache_dir=None, wandb="off")
with Reporter(Console(), 1) as reporter:
    engine = LocalEngine([Slot("cpu", "", 1)])
    runner.Runner(store.Store(Path(results)), engine, command, reporter).run([cell])
assert "torch" not in sys.modules
"""


def test_kill_9_of_the_runner_costs_only_the_cell_in_progress(tiny, tmp_path, monkeypatch):
    """Real processes: the runner is killed, its cell ends by itself, a second run goes on."""
    spec = tmp_path / "tiny.yaml"
    spec.write_text(tiny.path.read_text().replace("max_epochs: 4", "max_epochs: 40"))
    results = tmp_path / "results"
    monkeypatch.setenv("WHATWHERE_SAVE_SECONDS", "0")
    monkeypatch.setenv("TINY_PAUSE", "0.05")
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", LIGHT_RUNNER, str(spec), str(results)], stdout=log, stderr=log
        )
        checkpoints = []
        deadline = time.monotonic() + 600
        while not checkpoints and process.poll() is None and time.monotonic() < deadline:
            checkpoints = list(results.glob("runs/*/resume.prev.ckpt"))
            time.sleep(0.1)
        process.kill()
        process.wait()
    assert checkpoints, (tmp_path / "log.txt").read_text()
    [folder] = [path.parent for path in checkpoints]
    deadline = time.monotonic() + 20
    while "stopped on request" not in (folder / "log.txt").read_text():
        assert time.monotonic() < deadline, "the cell has outlived its runner"
        time.sleep(0.1)
    assert list(results.glob("cells/tiny/*.json")) == []

    monkeypatch.setenv("TINY_PAUSE", "0")
    out = io.StringIO()
    choice = bench.Choice(
        table=str(spec),
        budget="smoke",
        results=results,
        console=Console(file=io.StringIO()),
        out=Console(file=out, width=200),
    )
    options = {"rows": ["good", "paper"], "seeds": [0], "devices": "cpu", "wandb": "off"}
    assert bench.bench([choice], dry_run=True, **options) == 0
    assert out.getvalue().startswith(f"# tiny good seed 0 [{folder.name}]: to run\n")
    assert bench.bench([choice], **options) == 0
    assert "going on from" in (folder / "log.txt").read_text()
    [cell] = results.glob("cells/tiny/*.json")
    assert cell.stem == folder.name
    assert "Good" in out.getvalue()
    # Everything is known now: nothing is started, and the table comes at once.
    before = cell.stat().st_mtime_ns
    assert bench.bench([choice], **options) == 0
    assert cell.stat().st_mtime_ns == before
