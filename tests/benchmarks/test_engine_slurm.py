import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from benchmarks.devices import Slot
from benchmarks.engines import slurm
from benchmarks.engines.interface import EngineError, Exit, Job
from benchmarks.runner import RunnerStoppedError
from benchmarks.store import Store
from tests.benchmarks import engine_run, slurm_here
from tests.benchmarks.engine_run import epochs_of, held, hold, until

GPU = Slot("cuda", None, 3)
CPU = Slot("cpu", "", 1)


def jobs_of(tmp_path, *commands):
    return [
        Job(f"cell{n}", f"tiny row seed {n}", lambda slot, c=command: c, tmp_path / f"runs/a {n}")
        for n, command in enumerate(commands)
    ]


def test_the_script_asks_for_what_a_cell_needs(tmp_path):
    jobs = jobs_of(tmp_path, ["python", "-m", "benchmarks", "cell", "my table.yaml"], ["true"])
    text = slurm.script(
        jobs,
        GPU,
        name="tiny-smoke-standin",
        output=tmp_path / "out.txt",
        at_once=4,
        options=["--partition=gpu", "--time=1-00:00:00"],
    )
    wanted = [line.removeprefix("#SBATCH ") for line in text.splitlines() if "#SBATCH" in line]
    assert wanted == [
        "--job-name=whatwhere-tiny-smoke-standin",
        "--array=0-1%4",
        f"--output={tmp_path}/out.txt",
        "--open-mode=append",
        "--requeue",
        "--signal=B:TERM@120",
        "--nodes=1",
        "--ntasks-per-node=1",
        "--cpus-per-task=3",
        "--gres=gpu:1",
        "--partition=gpu",
        "--time=1-00:00:00",
    ]
    assert "command=(python -m benchmarks cell 'my table.yaml')" in text
    assert "export OMP_NUM_THREADS=3 " in text and "CUDA_VISIBLE_DEVICES" not in text
    without = slurm.script(jobs, CPU, name="n", output=tmp_path / "o")
    assert "--gres" not in without and "--array=0-1\n" in without
    assert "CUDA_VISIBLE_DEVICES=''" in without


FAKE = {
    "squeue": '#!/bin/bash\necho "$FAKE_STATE"\n',
    "scontrol": '#!/bin/bash\necho "$@" >> "$FAKE_LOG"\nkill -KILL "$PPID"\n',
}


def run_script(tmp_path, command, *, restarts=0, state="RUNNING", term_after=None):
    """Run one task's script as SLURM would; gives its code, what it left, what it asked for."""
    [job] = jobs_of(tmp_path, command)
    path = tmp_path / "array.sh"
    path.write_text(slurm.script([job], CPU, name="n", output=tmp_path / "o"))
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    for name, text in FAKE.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    asked = tmp_path / "asked.txt"
    process = subprocess.Popen(
        ["bash", str(path)],
        env=os.environ
        | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": "0",
            "SLURM_ARRAY_JOB_ID": "7",
            "SLURM_JOB_ID": "8",
            "SLURM_RESTART_COUNT": str(restarts),
            "FAKE_STATE": state,
            "FAKE_LOG": str(asked),
        },
    )
    if term_after is not None:
        while not term_after(job.folder):
            time.sleep(0.02)
        process.terminate()
    code = process.wait()
    left = job.folder / "slurm.exit"
    return (
        code,
        left.read_text().strip() if left.exists() else None,
        asked.read_text().strip() if asked.exists() else None,
    )


@pytest.mark.parametrize(
    ("end", "restarts", "state", "left", "asked"),
    [
        ("exit 0", 0, "RUNNING", "7 0", None),
        ("exit 1", 0, "RUNNING", "7 1", None),
        ("exit 75", 49, "RUNNING", None, "requeue 7_0"),
        ("exit 75", 50, "RUNNING", "7 75", None),
        ("exit 75", 0, "COMPLETING", "7 75", None),
        ("kill -9 $$", 0, "RUNNING", None, "requeue 7_0"),
        ("kill -9 $$", 1, "RUNNING", "7 137", None),
    ],
)
def test_a_task_goes_back_into_the_queue_or_says_how_it_ended(
    tmp_path, end, restarts, state, left, asked
):
    found = run_script(tmp_path, ["bash", "-c", end], restarts=restarts, state=state)
    assert found[1:] == (left, asked)
    assert found[0] == (-signal.SIGKILL if asked else int(left.split()[1]))
    log = (tmp_path / "runs/a 0/log.txt").read_text()
    assert log.startswith("# 20") and f"bash -c {end}" in log


def test_the_cell_is_told_to_stop_and_waited_for(tmp_path):
    command = """
trap 'sleep 0.3; touch saved; exit 75' TERM
[ "$PPID" = "$WHATWHERE_RUNNER_PID" ] && [ "$WHATWHERE_CELL_ID" = cell0 ] && touch begun
while true; do sleep 0.05; done
"""
    os.chdir(tmp_path)
    ready = tmp_path / "begun"
    found = run_script(tmp_path, ["bash", "-c", command], term_after=lambda _: ready.exists())
    assert found == (-signal.SIGKILL, None, "requeue 7_0")
    assert (tmp_path / "saved").exists()
    progress = json.loads((tmp_path / "runs/a 0/progress.json").read_text())
    assert progress["phase"] == "starting" and progress["attempt"].endswith(" 8 0")


@pytest.fixture
def queue(monkeypatch):
    """SLURM's answers, made up: its queue, and how many arrays it was given."""
    monkeypatch.setattr(slurm, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(slurm, "LOST_SECONDS", -1.0)

    class Queue:
        tasks: tuple[str, ...] = ()
        answers = True
        said: list[tuple[str, ...]]

    made = Queue()
    made.said = []

    def ask(*command):
        if command[0] != "squeue":
            made.said.append(command)
        if command[0] == "sbatch":
            return subprocess.CompletedProcess(command, 0, f"{40 + len(made.said)};main\n", "")
        text = "".join(f"{task}\n" for task in made.tasks)
        return subprocess.CompletedProcess(command, 0 if made.answers else 1, text, "")

    monkeypatch.setattr(slurm, "_ask", ask)
    return made


def test_ends_come_from_files_and_lost_tasks_from_the_queue(tmp_path, queue):
    engine = slurm.SlurmEngine(GPU, tmp_path / "slurm", "n")
    jobs = jobs_of(tmp_path, *[["true"]] * 5)
    for job in jobs:
        job.folder.mkdir(parents=True)
        assert engine.submit(job) == "SLURM"
    queue.tasks = tuple(f"41 {n} RUNNING" for n in range(5))
    assert engine.gather() == []
    assert [command[0] for command in queue.said] == ["sbatch"]
    for job, words in zip(jobs, ["41 0", "41 137", "40 0", "41 75", ""], strict=True):
        (job.folder / "slurm.exit").write_text(words)
    place = "SLURM, job 41_{}".format
    assert engine.gather() == [Exit("cell0", 0, place(0)), Exit("cell1", -9, place(1))]
    # The third's word is of another job; the fourth was stopped, but SLURM has it still.
    queue.tasks = ("41 3 COMPLETING",)
    queue.answers = False
    assert engine.gather() == []
    queue.answers = True
    assert engine.gather() == [Exit("cell2", 75, place(2)), Exit("cell4", 75, place(4))]
    queue.tasks = ()
    assert engine.gather() == [Exit("cell3", 75, place(3))]


def test_a_task_that_was_put_back_waits_and_the_last_one_is_asked_for(tmp_path, queue, monkeypatch):
    monkeypatch.setattr(slurm, "LOST_SECONDS", 60.0)
    engine = slurm.SlurmEngine(GPU, tmp_path / "slurm", "n")
    [job] = jobs_of(tmp_path, ["true"])
    job.folder.mkdir(parents=True)
    engine.submit(job)
    progress = job.folder / "progress.json"
    for state, there in (("RUNNING", True), ("PENDING", False)):
        progress.touch()
        queue.tasks = (f"41 0 {state}",)
        assert engine.gather() == []
        assert progress.exists() == there
    # Missing once, where the controller has told of a part of its queue: no end.
    queue.tasks = ()
    assert engine.gather() == []
    queue.tasks = ("41 0 RUNNING",)
    assert engine.gather() == []
    monkeypatch.setattr(slurm, "LOST_SECONDS", -1.0)
    assert engine.gather() == []


def test_a_second_call_finds_what_the_queue_holds(tmp_path, queue):
    first = slurm.SlurmEngine(GPU, tmp_path / "slurm", "n")
    jobs = jobs_of(tmp_path, ["true"], ["true"], ["true"])
    for job in jobs[:2]:
        first.submit(job)
    queue.tasks = ("41 0 PENDING", "41 1 PENDING")
    first.gather()
    assert first.stop(20) == "SLURM goes on with job 41 (scancel 41 ends it)"

    queue.tasks = ("41 1 RUNNING", "17 0 RUNNING")
    second = slurm.SlurmEngine(GPU, tmp_path / "slurm", "n")
    assert [second.knows(job.cell_id) for job in jobs] == [False, True, False]
    assert [second.submit(job) for job in jobs] == ["SLURM", "SLURM, job 41_1", "SLURM"]
    second.gather()
    arrays = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("slurm/*.json"))]
    assert arrays == [
        {"job": "41", "cells": ["cell0", "cell1"]},
        {"job": "42", "cells": ["cell0", "cell2"]},
    ]
    second.kill("cell1")
    assert queue.said[-1] == ("scancel", "41_1")


def test_arrays_are_no_longer_than_slurm_allows(tmp_path, queue, monkeypatch):
    monkeypatch.setattr(slurm, "ARRAY_LIMIT", 2)
    engine = slurm.SlurmEngine(GPU, tmp_path / "slurm", "n")
    for job in jobs_of(tmp_path, *[["true"]] * 5):
        engine.submit(job)
    engine.gather()
    texts = [path.read_text() for path in sorted(tmp_path.glob("slurm/n-*.sh"))]
    assert [text.count(") cell=") for text in texts] == [2, 2, 1]


def test_a_machine_without_slurm_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="needs squeue, which this machine does not have"):
        slurm.SlurmEngine(GPU, tmp_path, "n")


@pytest.fixture(scope="module")
def real():
    """A SLURM of this machine alone."""
    if slurm_here.missing():
        pytest.skip(f"no SLURM here (apt install slurm-wlm munge): {slurm_here.missing()}")
    # Not pytest's folder: others have to reach munge's socket in it.
    folder = Path(tempfile.mkdtemp(prefix="whatwhere-slurm-"))
    folder.chmod(0o755)
    made = slurm_here.Slurm(folder)
    try:
        why = made.wait()
        if why:
            pytest.skip(f"SLURM does not start here: {why}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(made.config))
            yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run(store, cells, **options):
    engine = slurm.SlurmEngine(Slot("cuda", None, 1), store.slurm_folder(), "tiny")
    return engine_run.run(engine, store, cells, **options)


def task_of(cell_id):
    """SLURM's number of the task that runs a cell."""
    [path] = Path(os.environ["RESULTS_OF_TEST"]).glob("slurm/*.json")
    array = json.loads(path.read_text())
    return f"{array['job']}_{array['cells'].index(cell_id)}"


def soon(task):
    """SLURM lets a requeued task wait for two minutes; a test does not."""

    def waits():
        return "BeginTime" in say("squeue", "--noheader", "--format=%T %r", "--jobs", task)

    def begun():
        say("scontrol", "update", f"JobId={task}", "StartTime=now")
        return not waits()

    until(waits)
    until(begun)


def say(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_a_real_slurm_runs_cells_kills_and_requeues_them(real, tiny, tmp_path, monkeypatch):
    """12 cells: one is killed, one told to stop by SLURM, one cancelled by a person."""
    monkeypatch.setenv("RESULTS_OF_TEST", str(tmp_path))
    monkeypatch.setattr(slurm, "ASK_SECONDS", 1.0)
    monkeypatch.setattr(slurm, "LOST_SECONDS", 3.0)
    store, cells = Store(tmp_path), [tiny(seed=seed) for seed in range(12)]
    killed, stopped, cancelled = cells[:3]
    hold(store, cells[:3])

    def disturb():
        os.kill(held(store, killed)[0], signal.SIGKILL)
        held(store, stopped)
        # What SLURM sends when the time is nearly up.
        say("scancel", "--batch", "--signal=TERM", task_of(stopped.cell_id))
        held(store, cancelled)
        say("scancel", task_of(cancelled.cell_id))
        soon(task_of(killed.cell_id))
        soon(task_of(stopped.cell_id))

    failed, screen = run(store, cells, meanwhile=disturb, seconds=0.05)
    assert failed == [f"tiny good seed {cancelled.seed}: somebody stopped it"]
    assert "[11/12]" in screen
    for cell in cells:
        folder, found = store.run_folder(cell.cell_id), epochs_of(store, cell)
        if cell is cancelled:
            assert store.finished(cell) is None
            continue
        assert store.finished(cell).metrics == {"nme": 2}
        assert len((folder / "finished.txt").read_text().splitlines()) == 1
        again = cell in (killed, stopped)
        assert [int(epoch) for epoch, *_ in found] == ([0, 1, 1, 2] if again else [0, 1, 2])
    # A second call runs what is left, and that cell goes on as well.
    failed, _ = run(store, cells, meanwhile=lambda: None, seconds=0.1)
    assert failed == []
    assert [int(epoch) for epoch, *_ in epochs_of(store, cancelled)] == [0, 1, 1, 2]


def test_ctrl_c_leaves_the_queue_and_a_second_call_waits_for_it(real, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "ASK_SECONDS", 1.0)
    store, cells = Store(tmp_path), [tiny(seed=seed) for seed in range(4)]

    def interrupt():
        until(lambda: any(epochs_of(store, cell) for cell in cells))
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(RunnerStoppedError, match=r"SLURM goes on with job (\d+) \(scancel"):
        run(store, cells, meanwhile=interrupt, seconds=0.5)
    failed, _ = run(store, cells, meanwhile=lambda: None, seconds=0.5)
    assert failed == []
    assert len(list(tmp_path.glob("slurm/*.sh"))) == 1
    for cell in cells:
        assert [int(epoch) for epoch, *_ in epochs_of(store, cell)] == [0, 1, 2]
