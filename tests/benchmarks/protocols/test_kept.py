"""What outlives a kill of a scoring: whose answers are read again, and whose never."""

import os

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.protocols import recurrent
from benchmarks.protocols.clip_codes import collect
from benchmarks.protocols.kept import keeping, kept, kept_by_all
from tests.benchmarks.protocols import fake_clips as fake

CPU = torch.device("cpu")


class KilledError(BaseException):
    pass


@pytest.fixture
def counted():
    """A function of a tensor and more, and how often it was called."""
    calls = []

    def double(values, *others, scale=2.0):
        calls.append(others)
        return scale * values

    return double, calls


def test_outside_of_a_scoring_nothing_is_kept(counted, tmp_path):
    double, calls = counted
    with keeping(tmp_path / "scored", tmp_path / "common", "code"):
        pass
    assert kept(double, torch.ones(2)).tolist() == [2, 2] == kept(double, torch.ones(2)).tolist()
    assert len(calls) == 2 and list(tmp_path.iterdir()) == []


def test_within_it_the_answer_is_read_again(counted, tmp_path):
    double, calls = counted
    for _ in range(2):
        with keeping(tmp_path / "scored", tmp_path / "common", "code"):
            found = kept(double, torch.tensor([0.1, 0.7]), scale=1 / 3)
        assert torch.equal(found, 1 / 3 * torch.tensor([0.1, 0.7]))
    assert len(calls) == 1


def test_what_cells_have_in_common_is_computed_by_the_first(tmp_path):
    calls = []

    def halve(values):
        calls.append(values)
        return values / 2

    def scored(cell, values, code="code"):
        with keeping(tmp_path / cell, tmp_path / "common", code):
            return kept_by_all(halve, values).tolist()

    assert scored("one", torch.ones(2)) == scored("two", torch.ones(2)) == [0.5, 0.5]
    assert len(calls) == 1
    assert scored("two", torch.zeros(2)) == [0, 0]
    scored("two", torch.ones(2), "mended code")
    assert len(calls) == 3
    assert kept_by_all(halve, torch.ones(2)).tolist() == [0.5, 0.5] and len(calls) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["common"]


def test_one_tensor_under_two_names_stays_one(tmp_path):
    def codes(values):
        return {"where": values, "what": values, "field": values.clone()}

    for _ in range(2):
        with keeping(tmp_path, tmp_path / "common", "code"):
            found = kept(codes, torch.ones(2))
        assert found["where"] is found["what"] is not found["field"]


def network(value):
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, value)
    nn.init.zeros_(layer.bias)
    return layer


@pytest.mark.parametrize(
    "others",
    [
        (torch.ones(3), 1.0),
        (torch.ones(2, dtype=torch.float64), 1.0),
        (torch.ones(1, 2), 1.0),
        (torch.ones(2), 2.0),
        (torch.ones(2), "1.0"),
        (torch.ones(2), None),
        (torch.ones(2), 1.0, 0),
        (torch.ones(2), np.ones(1)),
        (torch.ones(2), np.ones(1, np.float32)),
        (torch.ones(2), network(1.0)),
        (torch.ones(2), network(2.0)),
        (torch.ones(2), torch.relu_),
        (torch.ones(2), network),
    ],
)
def test_an_answer_to_another_question_is_not_taken(counted, tmp_path, others):
    double, calls = counted
    with keeping(tmp_path, tmp_path / "common", "code"):
        kept(double, torch.ones(2), 1.0)
        kept(double, *others)
        kept(double, *others)
    assert len(calls) == 2


def test_nor_is_that_of_another_function_or_of_other_code(counted, tmp_path):
    double, calls = counted

    def triple(values):
        return 3 * values

    with keeping(tmp_path, tmp_path / "common", "code"):
        assert kept(double, torch.ones(1)) == 2 and kept(triple, torch.ones(1)) == 3
        assert kept(double, torch.ones(1), scale=5.0) == 5
    with keeping(tmp_path, tmp_path / "common", "mended code"):
        kept(double, torch.ones(1))
    assert len(calls) == 3
    with (
        keeping(tmp_path, tmp_path / "common", "code"),
        pytest.raises(TypeError, match="cannot tell object apart"),
    ):
        kept(double, torch.ones(1), object())


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_a_damaged_answer_is_computed_anew(counted, tmp_path, damage, caplog):
    double, calls = counted
    with keeping(tmp_path, tmp_path / "common", "code"):
        kept(double, torch.ones(50))
        [path] = tmp_path.iterdir()
        content = bytearray(path.read_bytes())
        if damage == "flip":
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        else:
            os.truncate(path, 40)
        for _ in range(2):
            assert kept(double, torch.ones(50)).sum() == 100
    assert len(calls) == 2 and "damaged: it is computed anew" in caplog.text


def test_a_kill_in_a_fold_costs_that_fold_alone(tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    sequences = torch.randn(40, 4, 3, generator=generator)
    label = np.arange(40) % 2
    fold = recurrent.folds_by_person(np.arange(40) // 4, 5)
    fitted, plain = [], recurrent.fit

    def fit(*args, seed):
        fitted.append(seed)
        if len(fitted) == 3:
            raise KilledError
        return plain(*args, seed=seed)

    def score():
        return recurrent.cross_validated(sequences, label, fold, classes=2, seed=1)

    monkeypatch.setattr(recurrent, "EPOCHS", 1)
    whole = score()
    monkeypatch.setattr(recurrent, "fit", fit)
    for _ in range(2):
        with keeping(tmp_path, tmp_path / "common", "code"):
            try:
                found = score()
            except KilledError:
                found = None
    assert fitted == [10, 11, 12, 12, 13, 14] and np.array_equal(found, whole)


@pytest.mark.parametrize("method", [fake.Entangled, fake.OnPictures])
def test_a_kill_in_a_batch_of_codes_costs_that_batch_alone(tmp_path, monkeypatch, method):
    name = "encode_clip" if method is fake.Entangled else "encode"
    data, plain, seen = fake.Clips(), getattr(method, name), []
    data.hand_out("clips")
    whole = collect(method(), data, "all", CPU)

    def encode(self, image):
        seen.append(len(image))
        if len(seen) == 3:
            raise KilledError
        return plain(self, image)

    monkeypatch.setattr(method, name, encode)
    for _ in range(2):
        with keeping(tmp_path, tmp_path / "common", "code"):
            try:
                found = collect(method(), data, "all", CPU)
            except KilledError:
                found = None
    # 84 clips in batches of 16.
    assert len(seen) == 7
    assert found.entangled == whole.entangled == (method is fake.Entangled)
    assert found.codes.keys() == whole.codes.keys()
    for key, values in whole.codes.items():
        assert torch.equal(found.codes[key], values)
    assert found.labels.keys() == whole.labels.keys()
