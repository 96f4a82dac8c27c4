"""Cells that several processes train: real processes, started as a person or a runner would."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.cell import run_cell
from benchmarks.devices import Slot, together
from benchmarks.ranks import World
from benchmarks.store import Store
from tests.benchmarks.tiny_entry import ENTRY

SLOTS = [Slot("cuda", str(gpu), 2) for gpu in range(5)]


def test_cells_take_gpus_together():
    assert together(SLOTS, 1) == SLOTS
    pairs = together(SLOTS, 2)
    assert [slot.visible for slot in pairs] == ["0,1", "2,3"]
    assert {(slot.devices, slot.threads) for slot in pairs} == {(2, 2)}
    assert together([Slot("cpu", "", 4)], 2) == [Slot("cpu", "", 2, devices=2)]
    with pytest.raises(ValueError, match="is to take 6 GPUs, and there are 5"):
        together(SLOTS, 6)


def test_a_process_knows_its_place(monkeypatch):
    assert World.here(1, 1) == World()
    monkeypatch.setenv("NODE_RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="--nodes 2 needs MASTER_ADDR and MASTER_PORT"):
        World.here(4, 2)
    monkeypatch.setenv("MASTER_ADDR", "first")
    monkeypatch.setenv("MASTER_PORT", "29500")
    world = World.here(4, 2)
    assert (world.rank, world.size) == (6, 8)


def start(tiny, results, *options, **variables):
    results.mkdir(exist_ok=True)
    command = [sys.executable, *ENTRY, "cell", str(tiny.path), "good", "--budget", "smoke"]
    command += ["--results", str(results), "--threads", "1", *options]
    with (results / f"log{len(list(results.glob('log*')))}.txt").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | variables)


def logs(results):
    return "\n".join(path.read_text() for path in sorted(results.glob("log*.txt")))


@pytest.fixture
def alone(tiny, tmp_path):
    """What one process measures."""
    return run_cell(tiny(), results=tmp_path / "alone").metrics["nme"]


def test_two_machines_measure_what_one_process_does(tiny, tmp_path, alone):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    results = tmp_path / "two"
    # Who follows comes first, and waits.
    processes = [
        start(tiny, results, "--nodes", "2", NODE_RANK=str(node), **where) for node in (1, 0)
    ]
    assert [process.wait(900) for process in processes] == [0, 0], logs(results)
    result = Store(results).read("tiny", tiny().cell_id)
    assert result.world_size == 2 and result.steps == 16
    assert result.metrics["nme"] == pytest.approx(alone, rel=1e-4)


def test_a_cell_of_two_processes_stops_and_goes_on_with_one(tiny, tmp_path, alone):
    results = tmp_path / "two"
    folder = Store(results).run_folder(tiny().cell_id)
    slow = {"TINY_PAUSE": "0.3", "WHATWHERE_SAVE_SECONDS": "0"}
    leader = start(tiny, results, "--devices", "2", **slow)
    deadline = time.monotonic() + 900
    while not (folder / "resume.ckpt").exists():
        assert leader.poll() is None and time.monotonic() < deadline, logs(results)
        time.sleep(0.05)
    followers = children(leader.pid)
    assert len(followers) == 1
    # Impatient: Lightning's own answer to two signals is to wait for ever.
    leader.terminate()
    assert leader.wait(120) == 75, logs(results)
    assert not any(Path(f"/proc/{pid}").exists() for pid in followers)
    assert Store(results).read("tiny", tiny().cell_id) is None
    result = run_cell(tiny(), results=results)
    assert result.world_size == 1
    assert result.metrics["nme"] == pytest.approx(alone, rel=1e-4)


def test_a_lost_process_ends_the_others(tiny, tmp_path, monkeypatch):
    """The leader fails within seconds, waits for nobody who will not come, and can go on."""
    results = tmp_path / "two"
    folder = Store(results).run_folder(tiny().cell_id)
    leader = start(tiny, results, "--devices", "2", TINY_PAUSE="0.3", WHATWHERE_SAVE_SECONDS="0")
    deadline = time.monotonic() + 900
    while not (folder / "resume.ckpt").exists():
        assert leader.poll() is None and time.monotonic() < deadline, logs(results)
        time.sleep(0.05)
    [follower] = children(leader.pid)
    os.kill(follower, signal.SIGKILL)
    assert leader.wait(120) == 1, logs(results)
    result = Store(results).read("tiny", tiny().cell_id)
    assert result.status == "failed"
    assert (folder / "resume.ckpt").exists()


def children(pid):
    import psutil

    return [child.pid for child in psutil.Process(pid).children()]
