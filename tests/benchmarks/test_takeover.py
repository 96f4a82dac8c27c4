"""One training for many tables: who takes it over, from whom, and what a kill leaves of it."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
import torch

from benchmarks import checkpoints, environment
from benchmarks.acceleration import Acceleration
from benchmarks.callbacks import StopRequestedError
from benchmarks.cell import run_cell
from benchmarks.files import digest, read_json
from benchmarks.schema import CellSpec
from benchmarks.store import Store
from benchmarks.trainings import DECIDES, training_id
from tests.benchmarks import tiny as tiny_things
from tests.benchmarks.tiny import ENTRY, TinyMethod


@pytest.fixture
def steps(monkeypatch):
    """Every training step that was made, as the epoch it was in."""
    made, plain = [], TinyMethod.training_step

    def step(self, batch, batch_idx):
        made.append(self.current_epoch)
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(TinyMethod, "training_step", step)
    # The code that runs is that of one commit, whatever state this checkout is in.
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("c" * 40, False))
    return made


def run(cell, results):
    return run_cell(cell, results=results, save_every_seconds=0)


def folder(results, cell):
    return Store(results).run_folder(cell.cell_id)


def weights(results, cell):
    path = folder(results, cell) / "resume.ckpt"
    state = checkpoints.check_owner(path, cell.cell_id)
    return state["state_dict"]["layer.weight"]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_cell_of_a_second_table_runs_no_training_step(tiny, tmp_path, steps):
    first, second = tiny(), tiny(table="other", budget="another", protocol_version=2)
    assert first.cell_id != second.cell_id
    before = run(first, tmp_path)
    alone = run(second, tmp_path / "alone")
    assert len(steps) == 2 * 16
    result = run(second, tmp_path)
    assert len(steps) == 2 * 16
    assert (result.metrics, result.intervals) == (alone.metrics, alone.intervals)
    assert (result.epochs, result.steps) == (alone.epochs, alone.steps) == (4, 16)
    assert result.status == "ok" and result.reason == "trained in table 'tiny'"
    assert result.train_seconds == before.train_seconds > 0
    assert result.peak_memory_mib >= before.peak_memory_mib
    assert not result.dirty and before.reason is None
    # Checkpoint and curves are its own from now on.
    assert torch.equal(weights(tmp_path, second), weights(tmp_path / "alone", second))
    curves = [(folder(tmp_path, cell) / "metrics.jsonl").read_text() for cell in (first, second)]
    assert curves[0] == curves[1] != ""


def test_the_remark_names_another_row_and_another_commit(tiny, tmp_path, steps, monkeypatch):
    run(tiny(), tmp_path)
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("d" * 40, False))
    result = run(tiny(table="other").model_copy(update={"row": "better"}), tmp_path)
    assert result.reason == f"trained in table 'tiny' as row 'good' by {'c' * 12}"
    # Who takes it over from that one says where it was trained, not where it was found.
    shutil.rmtree(folder(tmp_path, tiny()))
    third = run(tiny(table="third"), tmp_path)
    assert third.reason == f"trained in table 'tiny' by {'c' * 12}" and len(steps) == 16


def test_what_uncommitted_code_has_trained_vouches_for_nobody(tiny, tmp_path, steps, monkeypatch):
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("c" * 40, True))
    run(tiny(), tmp_path)
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("c" * 40, False))
    result = run(tiny(table="other"), tmp_path)
    assert result.dirty and result.reason == f"trained in table 'tiny' by {'c' * 12}+changes"


OTHER = {
    "method": "other",
    "args": {"image_size": 8, "lr": 0.02},
    "fit": False,
    "train_on": "other",
    "trainer": {"max_epochs": 5},
    "pretrain": {"dataset": "tiny", "data": {}, "trainer": {"max_epochs": 1}},
    "base": {"method": "other"},
    "dataset": "other",
    "data": {"image_size": 8, "batch_size": 5, "length": 16},
    "source": "real",
    "data_fingerprint": "0" * 16,
    "seed": 1,
}


def test_every_field_of_a_cell_is_on_one_side(tiny):
    names = {"table", "row", "budget", "protocol", "protocol_version", "timeout_minutes"}
    names.add("base_cell")
    assert set(CellSpec.model_fields) == {*DECIDES} | names and set(OTHER) == {*DECIDES}
    cell = tiny()
    ids = {training_id(cell.model_copy(update={k: v}).config()) for k, v in OTHER.items()}
    assert len(ids | {training_id(cell.config())}) == len(OTHER) + 1
    others = {"table": "t", "row": "r", "budget": "b", "protocol": "p", "protocol_version": 9}
    same = cell.model_copy(update=others | {"timeout_minutes": 1.0})
    assert training_id(same.config()) == training_id(cell.config())


@pytest.mark.parametrize("field", ["args", "data", "trainer", "seed", "source", "train_on"])
def test_what_differs_is_trained_by_itself(tiny, tmp_path, steps, field):
    run(tiny(), tmp_path)
    steps.clear()
    result = run(tiny(table="other", **{field: OTHER[field]}), tmp_path)
    assert (result.status, result.reason) == ("ok", None) and len(steps) >= 12


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_bit,
        lambda path: os.truncate(path, 100),
        pathlib.Path.unlink,
        lambda path: checkpoints.sidecar_of(path).unlink(),
    ],
)
def test_a_damaged_checkpoint_is_not_taken_over(tiny, tmp_path, steps, damage, caplog):
    run(tiny(), tmp_path)
    damage(folder(tmp_path, tiny()) / "resume.ckpt")
    steps.clear()
    result = run(tiny(table="other"), tmp_path)
    # Not from the earlier generation either, which stands there undamaged.
    assert (result.status, result.reason, len(steps)) == ("ok", None, 16)
    assert f"the training of cell {tiny().cell_id} cannot be taken over" in caplog.text


def test_a_checkpoint_of_somebody_else_is_not_taken_over(tiny, tmp_path, steps):
    run(tiny(seed=1), tmp_path)
    run(tiny(), tmp_path)
    for name in ("resume.ckpt", "resume.ckpt.sha256"):
        shutil.copy(folder(tmp_path, tiny(seed=1)) / name, folder(tmp_path, tiny()) / name)
    steps.clear()
    assert run(tiny(table="other"), tmp_path).reason is None and len(steps) == 16


@pytest.mark.parametrize("status", ["failed", "timeout", "n/a"])
def test_only_a_cell_with_numbers_lends_its_training(tiny, tmp_path, steps, status):
    found = run(tiny(), tmp_path)
    Store(tmp_path).write(found.model_copy(update={"status": status, "reason": "why"}))
    steps.clear()
    assert run(tiny(table="other"), tmp_path).reason is None and len(steps) == 16


def test_a_forgotten_cell_is_trained_from_the_start(tiny, tmp_path, steps):
    second = tiny(table="other")
    run(tiny(), tmp_path)
    assert run(second, tmp_path).reason and len(steps) == 16
    Store(tmp_path).forget(second)
    assert run(second, tmp_path).reason is None and len(steps) == 32


def test_cells_that_are_forgotten_together_are_trained_once(tiny, tmp_path, steps):
    cells = [tiny(table=name) for name in ("tiny", "other", "third", "not-forgotten")]
    for cell in cells:
        run(cell, tmp_path)
    for cell in cells[:3]:
        Store(tmp_path).forget(cell)
    time.sleep(1)  # what begins within the same second might have begun before
    steps.clear()
    assert run(cells[0], tmp_path).reason is None and len(steps) == 16
    reasons = [run(cell, tmp_path).reason for cell in cells[1:3]]
    assert all("table 'tiny'" in reason for reason in reasons) and len(steps) == 16


def test_a_training_says_how_it_was_run_wherever_it_goes(tiny, tmp_path, steps):
    fast = run_cell(tiny(), results=tmp_path, acceleration=Acceleration(channels_last=True))
    assert fast.accelerated == ["channels-last"]
    assert run(tiny(table="other"), tmp_path).accelerated == ["channels-last"] and len(steps) == 16


def test_it_is_the_last_training_that_counts(tiny, tmp_path, steps, monkeypatch):
    data = {"image_size": 8, "batch_size": 4, "length": 20}
    settings = {
        "pretrain": {"dataset": "tiny", "data": data, "trainer": {"max_epochs": 3}},
        "data_fingerprint": digest(["0123456789abcdef"] * 2),
    }
    finetuned = []
    monkeypatch.setattr(TinyMethod, "begin_finetuning", lambda self: finetuned.append(1))
    first = run(tiny(**settings), tmp_path)
    second = tiny(table="other", **settings)
    assert run(second, tmp_path).metrics == first.metrics
    assert len(steps) == 15 + 16 and len(finetuned) == 2
    names = sorted(path.name for path in folder(tmp_path, second).glob("*e*.*l"))
    assert names == ["metrics-pretrain.jsonl", "metrics.jsonl"]
    assert not (folder(tmp_path, second) / "resume-pretrain.ckpt").exists()


def test_killed_while_scoring_it_goes_on_without_the_other_cell(tiny, tmp_path, steps, monkeypatch):
    wanted, second = run(tiny(), tmp_path), tiny(table="other")

    def stopped(*_, **__):
        raise StopRequestedError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("tests.benchmarks.tiny_protocol.evaluate", stopped)
        with pytest.raises(StopRequestedError):
            run(second, tmp_path)
    assert Store(tmp_path).read("other", second.cell_id) is None
    shutil.rmtree(folder(tmp_path, tiny()))
    result = run(second, tmp_path)
    assert result.metrics == wanted.metrics and len(steps) == 16
    assert result.reason == "trained in table 'tiny'"
    assert result.train_seconds == wanted.train_seconds


def test_a_kill_at_any_instant_leaves_nothing_half_taken(tiny, tmp_path, steps, monkeypatch):
    class Killed(BaseException):
        pass

    wanted, second = run(tiny(), tmp_path), tiny(table="other")
    plain, ended = pathlib.Path.replace, set()
    for die_at in range(6):
        calls = 0

        def counted(path, target):
            nonlocal calls
            if path.parent == folder(tmp_path, second) and "progress" not in path.name:
                calls += 1
                if calls > die_at:  # noqa: B023 - used within this turn only
                    raise Killed
            return plain(path, target)

        shutil.rmtree(folder(tmp_path, second), ignore_errors=True)
        with monkeypatch.context() as patch:
            patch.setattr(pathlib.Path, "replace", counted)
            # Whatever it still wants to write at its end fails as well.
            with contextlib.suppress(Killed):
                run(second, tmp_path)
        whole = checkpoints.is_good(folder(tmp_path, second) / "resume.ckpt")
        assert whole or checkpoints.newest_good(folder(tmp_path, second) / "resume.ckpt") is None
        ended.add(whole)
        result = run(second, tmp_path)
        assert result.metrics == wanted.metrics and result.reason == "trained in table 'tiny'"
        assert result.train_seconds == wanted.train_seconds and len(steps) == 16
        Store(tmp_path).cell_path("other", second.cell_id).unlink()
    assert ended == {False, True}


def test_two_processes_at_once_train_once(tiny, tmp_path):
    """Both start with nothing; the second waits, and neither for the other."""
    tables = ("tiny", "other")
    children = []
    for table in tables:
        spec = tmp_path / f"{table}.yaml"
        spec.write_text(tiny_things.SPEC.replace("table: tiny", f"table: {table}"))
        command = [sys.executable, *ENTRY, "cell", str(spec), "good", "--budget", "smoke"]
        with (tmp_path / f"{table}.txt").open("wb") as log:
            children.append(
                subprocess.Popen(
                    [*command, "--results", str(tmp_path / "results")],
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "TINY_PAUSE": "0.3"},
                )
            )
    codes = [child.wait(120) for child in children]
    logs = [(tmp_path / f"{table}.txt").read_text() for table in tables]
    assert codes == [0, 0], logs
    cells = [tiny(table=table) for table in tables]
    store = Store(tmp_path / "results")
    results = [store.read(cell.table, cell.cell_id) for cell in cells]
    assert results[0].metrics == results[1].metrics
    remarks = [result.reason for result in results]
    assert remarks in ([None, "trained in table 'tiny'"], ["trained in table 'other'", None])
    taken = read_json(store.run_folder(cells[remarks[0] is None].cell_id) / "state.json")
    assert taken["taken_from"]["cell"] == cells[remarks[0] is not None].cell_id
