"""Cells on a Ray cluster of two nodes, both on this machine, with GPUs that are only counted."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs ray: pip install 'whatwhere[ray]'")

import ray
from ray.cluster_utils import Cluster

from benchmarks.devices import Slot
from benchmarks.engines import ray_tasks
from benchmarks.engines.interface import EngineError
from benchmarks.runner import RunnerStoppedError
from benchmarks.store import Store
from tests.benchmarks import engine_run
from tests.benchmarks.engine_run import EPOCHS, epochs_of, held, hold, until

GPU = Slot("cuda", None, 1)


@pytest.fixture(scope="module")
def cluster():
    """A head that takes no cell, and two nodes with two GPUs each."""
    small = {"object_store_memory": 80 * 2**20}
    head = {"num_cpus": 0, "include_dashboard": False, **small}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        # Ray's workers start cells, and import the task.
        paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        made = Cluster()
        try:
            added(made, **head)
            for _ in range(2):
                added(made, num_cpus=2, num_gpus=2, **small)
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


def added(cluster, **options):
    """Ray gives a node half a minute to start, which is not enough on a very busy machine."""
    for _ in range(4):
        try:
            return cluster.add_node(**options)
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    pytest.skip("this machine is too busy to start Ray's nodes within half a minute")


def run(cluster, store, cells, **options):
    ray_tasks.connect(cluster.address)
    with contextlib.closing(ray_tasks.RayEngine(GPU)) as engine:
        return engine_run.run(engine, store, cells, **options)


def test_a_killed_worker_and_a_killed_node_lose_nothing(cluster, tiny, tmp_path):
    """12 cells, four at a time; all finish, none twice, and those that were cut off go on."""
    store, cells = Store(tmp_path), [tiny(seed=seed) for seed in range(12)]
    hold(store, cells[:2])

    def kill():
        os.kill(held(store, cells[0])[1], signal.SIGKILL)
        _, worker = held(store, cells[1])
        node = next(node for node in cluster.worker_nodes if is_child(worker, node))
        cluster.remove_node(node, allow_graceful=False)

    failed, screen = run(cluster, store, cells, meanwhile=kill)
    assert failed == []
    assert "[12/12]" in screen
    for cell in cells:
        assert store.finished(cell).metrics == {"nme": 2}
        folder = store.run_folder(cell.cell_id)
        assert len((folder / "finished.txt").read_text().splitlines()) == 1
        # Every epoch was finished; a repeated one is that in which its worker was killed.
        assert {int(found[0]) for found in epochs_of(store, cell)} == set(range(EPOCHS))
        assert {found[3] for found in epochs_of(store, cell)} <= {"0", "1"}
    for cell in cells[:2]:
        found = epochs_of(store, cell)
        # Twice, where the lost node was that on which the first one went on.
        assert [int(epoch) for epoch, *_ in found][:3] == [0, 1, 1]
        assert len({worker for _, _, worker, _ in found}) >= 2
        assert (store.run_folder(cell.cell_id) / "log.txt").read_text().count("# ") >= 2


def is_child(worker, node):
    """Whether a worker's process was started by a node's raylet."""
    import psutil

    raylets = {info.process.pid for info in node.all_processes["raylet"]}
    return bool(raylets & {parent.pid for parent in psutil.Process(worker).parents()})


def test_stopping_asks_the_cells_and_takes_the_rest_out_of_the_queue(cluster, tiny, tmp_path):
    places = 2 * len(cluster.worker_nodes)
    store, cells = Store(tmp_path), [tiny(seed=seed) for seed in range(6)]

    def interrupt():
        until(lambda: sum(len(epochs_of(store, cell)) > 0 for cell in cells) == places)
        os.kill(os.getpid(), signal.SIGTERM)

    began = time.monotonic()
    with pytest.raises(RunnerStoppedError, match="The same command goes on"):
        run(cluster, store, cells, meanwhile=interrupt, seconds=60)
    assert time.monotonic() - began < 170  # three epochs are 180
    begun = [found for cell in cells for found in epochs_of(store, cell)]
    assert len(begun) == places
    until(lambda: not any(Path(f"/proc/{found[1]}").exists() for found in begun), seconds=5)


def test_what_no_machine_has_is_refused(cluster):
    ray_tasks.connect(cluster.address)
    assert ray_tasks.cluster_has_gpus()
    with pytest.raises(EngineError, match="has 3 CPUs and 1 GPUs for a cell"):
        ray_tasks.RayEngine(Slot("cuda", None, 3))


def test_no_cluster_where_it_was_said_to_be(monkeypatch):
    monkeypatch.setattr(
        ray_tasks.ray, "init", lambda **_: (_ for _ in ()).throw(ConnectionError("refused"))
    )
    with pytest.raises(EngineError, match=r"answers at '10\.0\.0\.1:1' \(refused\)"):
        ray_tasks.connect("10.0.0.1:1")
