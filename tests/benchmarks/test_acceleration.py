"""Compiled networks, channels innermost and bfloat16: what they change, and what stays."""

import pytest
import torch

from benchmarks.acceleration import PLAIN, Acceleration, networks
from benchmarks.build import build_method
from benchmarks.ranks import World
from benchmarks.specs import load_spec, resolve_cell
from lightning_modules.layers.blocks import repeat_border
from tests.benchmarks import shared_training as shared

NAMES = sorted(shared.ROWS)
GRAPHS: list[int] = []


def traced(graph, inputs):
    """As Inductor, forward and backward, but run by plain kernels: what takes it minutes stays."""
    from torch._dynamo.backends.debugging import aot_eager

    GRAPHS.append(1)
    return aot_eager(graph, inputs)


def only_forward(graph, inputs):
    """Conv3d's maps come in a layout that no plain kernel foresees; Inductor does."""
    GRAPHS.append(1)
    return graph


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("plain"), {}

    def of(name):
        if name not in found:
            found[name] = shared.train(name, folder, World())
        return found[name]

    return of


@pytest.mark.parametrize("name", NAMES)
def test_compiled_networks_learn_the_same(plain, name, tmp_path):
    torch._dynamo.reset()
    GRAPHS.clear()
    backend = only_forward if name == "mocogan" else traced
    found = shared.train(name, tmp_path, World(), faster=Acceleration(True, backend=backend))
    assert GRAPHS, "nothing was compiled"
    assert found["losses"] == pytest.approx(plain(name)["losses"], rel=1e-4)
    assert found["weights"].keys() == plain(name)["weights"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_channels_innermost_learn_the_same(plain, name, tmp_path):
    found = shared.train(name, tmp_path, World(), faster=Acceleration(channels_last=True))
    assert found["losses"][0] == pytest.approx(plain(name)["losses"][0], rel=1e-4)
    assert found["losses"] == pytest.approx(plain(name)["losses"], rel=1e-3)


@pytest.mark.parametrize("name", ["ddr", "deformable", "dlp", "keynet", "vae"])
def test_bfloat16_learns_nearly_the_same(plain, name, tmp_path):
    found = shared.train(name, tmp_path, World(), precision="bf16-mixed")
    assert found["losses"] != plain(name)["losses"]
    assert found["losses"] == pytest.approx(plain(name)["losses"], rel=0.02)
    assert {weight.dtype for weight in found["weights"].values()} == {torch.float32}


def test_a_border_is_the_same_when_compiled():
    picture = torch.randn(2, 3, 5, 6, requires_grad=True)
    weights = torch.randn(2, 3, 9, 10)
    found = []
    for pad in (repeat_border, torch.compile(repeat_border, backend=traced)):
        wide = pad(picture, 2)
        (slope,) = torch.autograd.grad((wide * weights).sum(), picture)
        found.append((wide, slope))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
    assert torch.equal(found[0][0][:, :, 2:-2, 2:-2], picture)
    assert torch.equal(found[0][0][:, :, 0, 0], picture[:, :, 0, 0])


def test_what_is_called_as_a_whole_is_compiled():
    method = build_method(shared.cell_of("dlp"))
    parts = networks(method)
    names = {id(part): name for name, part in method.named_modules()}
    assert "network.decoder" in {names[id(part)] for part in parts}
    assert not any(
        part is other for part in parts for other in part.modules() if other not in parts
    )


def test_names_are_options_of_the_command():
    assert PLAIN.names == []
    assert Acceleration(True, True).names == ["compile", "channels-last"]


def test_a_budget_in_bfloat16_is_another_budget():
    spec = load_spec("multipie")
    plain, mixed = spec.budget("quick"), spec.budget("quick-bf16")
    assert mixed.trainer.precision == mixed.pretrain.trainer.precision == "bf16-mixed"
    assert plain.trainer.precision is None and mixed.data == plain.data
    cells = [
        resolve_cell(
            spec,
            "vae",
            seed=0,
            budget=budget,
            source="standin",
            data_fingerprint="0" * 16,
        )
        for budget in ("quick", "quick-bf16")
    ]
    assert cells[0].cell_id != cells[1].cell_id
    assert cells[1].trainer["precision"] == "bf16-mixed"
    with pytest.raises(ValueError, match="unknown budget 'quik'"):
        spec.budget("quik-bf16")
