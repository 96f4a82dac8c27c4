import pytest

from benchmarks.arguments import ArgumentsError
from benchmarks.build import build_data, build_method, settle
from tests.benchmarks.tiny import TinyMethod


def test_data_and_method_are_built_from_ids(tiny):
    data = build_data("tiny", {"image_size": 16}, source="standin", seed=3)
    assert (data.image_size, data.seed, data.source) == (16, 3, "standin")
    with pytest.raises(
        ArgumentsError, match=r"dataset 'tiny'.*'imagesize'.*did you mean image_size"
    ):
        build_data("tiny", {"imagesize": 16}, source="standin")
    weights = [build_method(tiny(seed=seed)).layer.weight.sum().item() for seed in (0, 0, 1)]
    assert weights[0] == weights[1] != weights[2]


def test_a_method_may_settle_its_arguments_before_the_id_is_taken(tiny, monkeypatch):
    cell = tiny()
    assert settle(cell) == cell

    def resolve(cls, arguments):
        return arguments | {"trouble": "settled"}

    monkeypatch.setattr(TinyMethod, "resolve_arguments", classmethod(resolve), raising=False)
    assert settle(cell).args == cell.args | {"trouble": "settled"}
    assert settle(cell).cell_id != cell.cell_id
