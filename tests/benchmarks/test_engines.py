import io
import sys

import pytest
from rich.console import Console

from benchmarks import bench
from benchmarks.console import Reporter
from benchmarks.devices import Slot
from benchmarks.engines.choose import EngineChoice, array_name, make_engine, parse_share
from benchmarks.engines.interface import EngineError, Exit
from benchmarks.engines.local import LocalEngine
from benchmarks.runner import Runner
from benchmarks.store import Store
from tests.benchmarks import fake_cell


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("auto", (None, None)),
        ("", (None, None)),
        ("cpu", ("cpu", None)),
        ("cpu:16", ("cpu", 16)),
        ("8", ("cuda", 8)),
    ],
)
def test_devices_of_a_cluster_are_how_many_cells_run_at_a_time(text, share):
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["0,3", "0", "cpu:0", "gpu"])
def test_a_cluster_chooses_gpus_by_itself(text):
    with pytest.raises(ValueError, match=f"'{text}' are no devices of a cluster"):
        parse_share(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "slurm", "address": "auto"}, "--address is of --engine ray, not of slurm"),
        ({"name": "ray", "sbatch": "--qos=x"}, "--sbatch is of --engine slurm, not of ray"),
        ({"name": "local", "wait": False}, "--no-wait is of --engine slurm, not of local"),
        ({"name": "ray", "cell_nodes": 2}, "--cell-nodes is of --engine slurm, not of ray"),
        ({"name": "local", "cpus": 2}, "--cpus is of --engine ray and slurm"),
    ],
)
def test_an_option_of_another_engine_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        EngineChoice(**options)


def test_what_a_cell_gets_on_a_cluster():
    assert EngineChoice("ray").slot("cuda") == Slot("cuda", None, 4)
    assert EngineChoice("ray").slot("cpu") == Slot("cpu", "", 1)
    several = EngineChoice("slurm", cpus=2, cell_devices=8, cell_nodes=2).slot("cuda")
    assert several == Slot("cuda", None, 2, devices=8, nodes=2)


def test_local_places_take_several_gpus_where_cells_do(tiny, tmp_path):
    gpus = [Slot("cuda", str(gpu), 2) for gpu in range(4)]
    choice = EngineChoice(cell_devices=2)
    made = make_engine(choice, "4", slots=lambda: gpus, folder=tmp_path, cells=[tiny()])
    assert isinstance(made, LocalEngine)
    assert [slot.visible for slot in made.slots] == ["0,1", "2,3"]


def dry(tiny, tmp_path, engine, devices="auto"):
    out = io.StringIO()
    choice = bench.Choice(
        table=str(tiny.path),
        budget="smoke",
        results=tmp_path,
        console=Console(file=io.StringIO()),
        out=Console(file=out, width=400),
    )
    options = {"rows": ["good"], "seeds": [0, 1], "devices": devices, "wandb": "off"}
    assert bench.bench([choice], engine=engine, dry_run=True, **options) == 0
    return out.getvalue()


def test_a_dry_run_prints_the_array_of_what_is_missing(tiny, tmp_path):
    engine = EngineChoice("slurm", sbatch="--partition=gpu --mem=8G", cell_devices=2, cell_nodes=2)
    text = dry(tiny, tmp_path, engine, "3")
    wanted = [line.removeprefix("#SBATCH ") for line in text.splitlines() if "#SBATCH" in line]
    assert {"--array=0-1%3", "--nodes=2", "--gres=gpu:2", "--cpus-per-task=8"} <= set(wanted)
    assert wanted[-2:] == ["--partition=gpu", "--mem=8G"]
    assert f"cell {tiny.path.resolve()} good --seed 1 " in text
    assert "--device cuda --threads 4 --devices 2 --nodes 2" in text
    assert "command=(srun bash -c" in text
    store = Store(tmp_path)
    for seed in (0, 1):
        store.write(tiny(seed=seed).result("ok", None, metrics={"nme": 1.0}, **fake_cell.MADE))
    assert dry(tiny, tmp_path, engine) == "# every cell is finished: there is nothing to submit\n"


def test_an_array_is_named_after_its_tables(tiny):
    cells = [tiny(seed=seed) for seed in (0, 1)]
    assert array_name(cells) == "tiny-smoke-standin"
    assert array_name([*cells, tiny(table="other"), tiny()]) == "tiny-and-1-smoke-standin"


def test_a_dry_run_of_ray_prints_commands(tiny, tmp_path):
    text = dry(tiny, tmp_path, EngineChoice("ray", cpus=3), "cpu:2")
    assert text.count("--device cpu --threads 3") == 2
    assert "# tiny good seed 1 [" in text


class Lossy(LocalEngine):
    """Gives up whatever it is given, as an engine does that has lost a machine once too often."""

    def gather(self):
        gone = super().gather()
        return [Exit(one.cell_id, 1, "far away", "its machine is gone") for one in gone]


def test_a_cell_that_an_engine_gives_up_is_a_failed_row(tiny, tmp_path):
    store, cell = Store(tmp_path), tiny()
    command = [sys.executable, "-c", "pass"]
    with Reporter(Console(file=io.StringIO()), 1) as reporter:
        engine = Lossy([Slot("cpu", "", 1)])
        failed = Runner(store, engine, lambda *_: command, reporter).run([cell])
    result = store.read("tiny", cell.cell_id)
    assert (result.status, result.reason) == ("failed", "its machine is gone")
    assert result.device == "far away" and len(failed) == 1


def test_without_its_package_an_engine_says_what_to_install(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "benchmarks.engines.ray_tasks", raising=False)
    monkeypatch.delattr("benchmarks.engines.ray_tasks", raising=False)
    with pytest.raises(EngineError, match=r"pip install 'whatwhere\[ray\]'"):
        make_engine(EngineChoice("ray"), "auto", slots=list, folder=tmp_path, cells=[tiny()])
