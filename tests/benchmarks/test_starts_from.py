"""Rows that start from another row's weights: who trains them, and what a kill leaves."""

import time

import pytest
import torch

from benchmarks import checkpoints, environment
from benchmarks.build import settle
from benchmarks.callbacks import StopRequestedError
from benchmarks.cell import run_cell
from benchmarks.console import progress_words
from benchmarks.schema import CellSpec
from benchmarks.specs import SpecError, load_spec, resolve_cell
from benchmarks.store import Store
from benchmarks.summaries import MixedCellsError
from benchmarks.table_data import build_table
from benchmarks.trained import load_trained
from lightning_modules import registry
from tests.benchmarks import fake_cell
from tests.benchmarks.tiny import SPEC, TinyMethod

ON = """
table: on-tiny
title: On a tiny table
dataset: tiny
protocol: {id: tiny, version: 1}
columns: [nme]
budgets_of: tiny.yaml
rows:
  - {id: more, label: More, method: on_tiny, starts_from: {table: tiny.yaml, row: good}}
  - id: frozen
    label: Frozen
    method: on_tiny
    fit: false
    starts_from: {table: tiny.yaml, row: good}
  - {id: raw, label: Raw, method: on_tiny, starts_from: {table: tiny.yaml, row: untrained}}
  - {id: lost, label: Lost, method: tiny, starts_from: {table: tiny.yaml, row: good}}
"""


class OnTiny(TinyMethod):
    def __init__(self, image_size, encoder="tiny", encoder_args=None, **others):
        super().__init__(image_size, **others)
        self.save_hyperparameters()
        made = registry.load(encoder)(**(encoder_args or {"image_size": image_size}))
        self.encoder = made.requires_grad_(False)

    def start_from(self, weights):
        self.encoder.load_state_dict(weights)


@pytest.fixture
def spec(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.METHODS, "on_tiny", "tests.benchmarks.test_starts_from:OnTiny")
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("c" * 40, False))
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "on.yaml").write_text(ON)
    return load_spec(tmp_path / "on.yaml")


def cell_of(spec, row="more", seed=0):
    planned = resolve_cell(
        spec,
        row,
        seed=seed,
        budget="smoke",
        source="standin",
        data_fingerprint="0123456789abcdef",
    )
    return settle(planned)


@pytest.fixture
def steps(monkeypatch):
    """Every training step, as the name of its class."""
    made, plain = [], TinyMethod.training_step

    def step(self, batch, batch_idx):
        made.append(type(self).__name__)
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(TinyMethod, "training_step", step)
    return made


def run(cell, results):
    return run_cell(cell, results=results, save_every_seconds=0)


def encoder_of(results, cell):
    path = Store(results).run_folder(cell.cell_id) / "resume.ckpt"
    return checkpoints.check_owner(path, cell.cell_id)["state_dict"]["encoder.layer.weight"]


def weights(results, cell):
    path = Store(results).run_folder(cell.cell_id) / "resume.ckpt"
    return checkpoints.check_owner(path, cell.cell_id)["state_dict"]["layer.weight"]


def test_seeds_of_a_row_share_a_table_whatever_their_bases_seeds(spec):
    cells = [
        cell_of(spec, seed=seed).result("ok", None, metrics={"nme": 2.0 + seed}, **fake_cell.MADE)
        for seed in range(3)
    ]
    assert [cell.config["base"]["seed"] for cell in cells] == [0, 1, 2]
    [row] = [item for item in build_table(spec, cells).rows if item.cells]
    assert row.seeds == (0, 1, 2)
    other = cells[2].config | {"base": cells[2].config["base"] | {"method": "zhang"}}
    with pytest.raises(MixedCellsError, match=r"base\.method tiny -> zhang; run its seeds"):
        build_table(spec, [*cells[:2], cells[2].model_copy(update={"config": other})])


def test_a_cell_says_what_it_stands_on_and_a_name_does_not_matter(spec):
    cell = cell_of(spec)
    assert cell.args["encoder"] == "tiny" and cell.args["encoder_args"]["lr"] == 0.01
    assert cell.base_cell.table == "tiny" and "base_cell" not in cell.config()
    assert not {"table", "row", "budget", "protocol_version"} & cell.base.keys()
    assert (cell.base["seed"], cell.base["trainer"]) == (0, {"max_epochs": 4})
    assert CellSpec(**cell.config()).cell_id == cell.cell_id
    longer = (
        spec.lenders["tiny.yaml"]
        .rows[0]
        .model_copy(
            update={"trainer": spec.budgets["smoke"].trainer.model_copy(update={"max_epochs": 5})}
        )
    )
    lender = spec.lenders["tiny.yaml"]
    lender = lender.model_copy(update={"rows": [longer, *lender.rows[1:]]})
    other = cell_of(spec.model_copy(update={"lenders": {"tiny.yaml": lender}}))
    assert other.args == cell.args and other.cell_id != cell.cell_id
    # Cells that stand on nothing keep their ids.
    assert "base" not in cell.base_cell.config()


def test_the_base_is_trained_first_and_once(spec, tmp_path, steps):
    cell = cell_of(spec)
    result = run(cell, tmp_path)
    assert (result.status, result.epochs) == ("ok", 4)
    assert steps == ["TinyMethod"] * 16 + ["OnTiny"] * 16
    base = cell.base_cell
    assert torch.equal(encoder_of(tmp_path, cell), weights(tmp_path, base))
    assert run(cell_of(spec, "frozen"), tmp_path).status == "ok" and len(steps) == 32
    # Its own table has nothing left to train, only to score.
    assert Store(tmp_path).read("tiny", base.cell_id) is None
    assert run(base, tmp_path).epochs == 4 and len(steps) == 32
    # In another folder, where the base was there before, the same comes out.
    run(base, tmp_path / "b")
    again = run(cell, tmp_path / "b")
    assert again.metrics == result.metrics
    assert torch.equal(weights(tmp_path / "b", cell), weights(tmp_path, cell))


def test_an_untrained_base_is_the_method_as_it_starts(spec, tmp_path, steps):
    cell = cell_of(spec, "raw")
    assert run(cell, tmp_path).status == "ok" and steps == ["OnTiny"] * 16
    torch.manual_seed(0)
    assert not torch.equal(encoder_of(tmp_path, cell), weights(tmp_path, cell))


@pytest.mark.parametrize("dies", [5, 12, 16, 21])
def test_killed_anywhere_it_goes_on_and_ends_the_same(spec, tmp_path, steps, monkeypatch, dies):
    cell = cell_of(spec)
    run(cell, tmp_path / "whole")
    steps.clear()
    counted = TinyMethod.training_step

    def dying(self, batch, batch_idx):
        if len(steps) == dies:
            raise StopRequestedError("killed")
        return counted(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TinyMethod, "training_step", dying)
        with pytest.raises(StopRequestedError):
            run(cell, tmp_path)
    run(cell, tmp_path)
    # At most the epoch in progress is trained again.
    assert 32 <= len(steps) <= 36
    for found in (weights, encoder_of):
        assert torch.equal(found(tmp_path, cell), found(tmp_path / "whole", cell))
    assert torch.equal(weights(tmp_path, cell.base_cell), encoder_of(tmp_path, cell))


def test_a_checkpoint_loads_alone(spec, tmp_path):
    cell = cell_of(spec)
    run(cell, tmp_path)
    trained = load_trained(Store(tmp_path).run_folder(cell.cell_id))
    assert trained.cell.cell_id == cell.cell_id
    assert torch.equal(trained.method.encoder.layer.weight, encoder_of(tmp_path, cell))


def test_uncommitted_code_that_trained_the_base_makes_the_cell_dirty(spec, tmp_path, monkeypatch):
    cell = cell_of(spec)
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("c" * 40, True))
    run(cell.base_cell, tmp_path)
    monkeypatch.setattr(environment, "commit_and_dirty", lambda: ("c" * 40, False))
    assert run(cell, tmp_path).dirty


def test_a_base_that_fails_fails_the_cell_and_leaves_nothing(spec, tmp_path, monkeypatch):
    cell = cell_of(spec)

    def broken(self, batch, batch_idx):
        if self.current_epoch == 2:
            raise RuntimeError("an accident below")
        return TinyMethod.losses(self, batch)["loss"]

    with monkeypatch.context() as patch:
        patch.setattr(TinyMethod, "training_step", broken)
        found = run(cell, tmp_path)
    assert (found.status, found.reason) == ("failed", "RuntimeError: an accident below")
    assert not list(Store(tmp_path).run_folder(cell.base_cell.cell_id).glob("*.ckpt"))
    assert run(cell, tmp_path).status == "ok"


def test_what_the_base_takes_is_not_the_cells_time(spec, tmp_path, monkeypatch):
    cell = cell_of(spec).model_copy(update={"timeout_minutes": 1.0})
    clock, plain = [0.0], TinyMethod.training_step

    def step(self, batch, batch_idx):
        clock[0] += 3.0  # 48 seconds the base, as many the cell
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(TinyMethod, "training_step", step)
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() / 1000 + clock[0])
    assert run(cell, tmp_path).status == "ok"


def test_what_cannot_start_from_another_says_so(spec, tmp_path):
    cell = cell_of(spec, "lost").model_copy(update={"args": {"image_size": 8}})
    assert "TinyMethod builds on no other method's training" in run(cell, tmp_path).reason


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{table: tiny.yaml, row: goood}", "rows.0.starts_from.row: unknown row of table"),
        ("{table: tinny, row: good}", "rows.0.starts_from.table: unknown table 'tinny'"),
        ("{table: tiny.yaml, row: paper}", "rows.0.starts_from.row: unknown row of table"),
        ("{row: good}", "rows.0.starts_from.table: unknown table 'None'"),
        ("{table: tiny.yaml}", "rows.0.starts_from.row: unknown row of table"),
    ],
)
def test_a_start_that_is_not_there_is_named(spec, tmp_path, wrong, said):
    path = tmp_path / "wrong.yaml"
    path.write_text(ON.replace("{table: tiny.yaml, row: good}", wrong, 1))
    with pytest.raises(SpecError, match=said):
        load_spec(path)


def test_a_person_sees_which_row_is_trained_first():
    seen = {"base": "dlp", "phase": "train", "epoch": 3, "epochs": 9}
    assert progress_words(seen) == "first row 'dlp', epoch 3/9"
