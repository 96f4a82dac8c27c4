import pytest

from benchmarks import store as store_module
from benchmarks.cell_files import ResultError
from benchmarks.schema import CellResult
from benchmarks.store import Store

MADE = {"commit": "c", "dirty": False, "device": "cpu", "started": "now", "wall_seconds": 1.0}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def put(store, cell, status="ok"):
    store.write(cell.result(status, None, metrics={"nme": 1 / 3}, intervals={}, **MADE))


def test_a_cell_comes_back_as_it_was_written(store, tiny):
    cell = tiny()
    result = cell.result("ok", None, metrics={"nme": 1 / 3}, intervals={"nme": (0.1, 0.7)}, **MADE)
    store.write(result)
    assert store.read("tiny", cell.cell_id) == result
    assert isinstance(result, CellResult) and result.config == cell.config()


def test_only_numbers_and_dashes_count_as_finished(store, tiny):
    for seed, (status, finished) in enumerate(
        {"ok": True, "n/a": True, "failed": False, "timeout": False}.items()
    ):
        put(store, tiny(seed=seed), status)
        assert (store.finished(tiny(seed=seed)) is not None) == finished
    assert store.finished(tiny(seed=9)) is None


def test_forgetting_removes_result_and_checkpoints_and_keeps_the_log(store, tiny):
    cell = tiny()
    put(store, cell)
    folder = store.run_folder(cell.cell_id)
    folder.mkdir(parents=True)
    for name in ("resume.ckpt", "resume.prev.ckpt", "resume.ckpt.sha256", "log.txt", "lock"):
        (folder / name).touch()
    store.forget(cell)
    assert store.read("tiny", cell.cell_id) is None
    # The last says that no training from before will do.
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "log.txt", "train-afresh"]
    assert store.forgotten(cell).startswith("20") and store.forgotten(tiny(seed=1)) == ""
    store.forget(cell)


def test_a_damaged_file_counts_as_not_run_and_is_said_aloud(store, tiny, caplog):
    cell = tiny()
    put(store, cell)
    path = store.cell_path("tiny", cell.cell_id)
    path.write_text(path.read_text()[:50])
    assert store.read("tiny", cell.cell_id) is None
    assert cell.cell_id in caplog.text and "counts as not run" in caplog.text


def test_tables_take_cells_of_the_present_specification_in_its_order(store, tiny):
    fit = [tiny("untrained"), tiny("good", seed=1), tiny("good", seed=0)]
    stale = tiny("good", seed=2, args={"lr": 1})
    other = tiny("good", budget="quick")
    for cell in (*fit, stale, other):
        put(store, cell)
    current, left_out = store.read_table(tiny.spec, budget="smoke", source="standin")
    assert [(r.row, r.seed) for r in current] == [("good", 0), ("good", 1), ("untrained", 0)]
    assert [r.cell_id for r in left_out] == [stale.cell_id]


def test_a_table_is_read_while_another_runner_tries_a_cell_again(store, tiny, monkeypatch):
    for seed in range(3):
        put(store, tiny(seed=seed))
    plain = store_module.read_cell

    def meanwhile(path):
        store.cell_path("tiny", tiny(seed=1).cell_id).unlink(missing_ok=True)
        return plain(path)

    monkeypatch.setattr(store_module, "read_cell", meanwhile)
    found, _ = store.read_table(tiny.spec, budget="smoke", source="standin")
    assert [cell.seed for cell in found] == [0, 2]
    assert store.read("tiny", tiny(seed=1).cell_id) is None


def test_cells_of_different_data_are_not_mixed(store, tiny):
    old, new = tiny(data_fingerprint="a" * 16), tiny(data_fingerprint="b" * 16)
    put(store, old)
    put(store, new)
    with pytest.raises(ResultError, match="row 'good', seed 0 was measured on different data"):
        store.read_table(tiny.spec, budget="smoke", source="standin")
    current, left_out = store.read_table(
        tiny.spec, budget="smoke", source="standin", fingerprint="b" * 16
    )
    assert [r.cell_id for r in current] == [new.cell_id]
    assert [r.cell_id for r in left_out] == [old.cell_id]
