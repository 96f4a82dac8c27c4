"""What two processes learn together is what one learns, and either goes on from the other."""

import pytest
import torch

from benchmarks.training import can_share
from lightning_modules import registry
from tests.benchmarks import shared_training as shared
from tests.test_house import build

NAMES = sorted(shared.ROWS)


def test_every_method_that_can_be_shared_is_tried():
    assert {name for name in registry.METHODS if can_share(build(name))} == set(NAMES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two epochs of two batches of every method, by one process and by two, and resumed runs."""
    folder = tmp_path_factory.mktemp("shared")
    shared.in_processes(
        folder, {size: [(f"{name}-{size}", name, None) for name in NAMES] for size in (1, 2)}
    )
    shared.in_processes(
        folder,
        {
            size: [
                (f"{name}-{size}-from-{begun}", name, begun) for name in NAMES for begun in (1, 2)
            ]
            for size in (1, 2)
        },
    )
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_are_one(trained, name):
    one, two = shared.read(trained, f"{name}-1"), shared.read(trained, f"{name}-2")
    assert len(one["losses"]) == len(two["losses"]) == 4
    assert two["losses"][0] == pytest.approx(one["losses"][0], rel=1e-4, abs=1e-6)
    most = max(one["slopes"].values())
    assert most > 0 and one["slopes"].keys() == two["slopes"].keys()
    for key, slope in one["slopes"].items():
        assert two["slopes"][key] == pytest.approx(slope, rel=1e-3, abs=1e-4 * most), key
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 2])
def test_a_resumed_run_is_the_run_it_resumes(trained, name, size):
    whole = shared.read(trained, f"{name}-{size}")
    same = shared.read(trained, f"{name}-{size}-from-{size}")
    assert same["losses"] == whole["losses"][2:]
    for key, value in whole["weights"].items():
        assert torch.equal(same["weights"][key], value), key


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("size", "begun"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(trained, name, size, begun):
    whole = shared.read(trained, f"{name}-1")
    changed = shared.read(trained, f"{name}-{size}-from-{begun}")
    assert changed["losses"] == pytest.approx(whole["losses"][2:], rel=1e-3)
