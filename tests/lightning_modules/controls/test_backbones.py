import logging
import sys
from types import ModuleType

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from lightning_modules.controls.backbones import WEIGHTS_VARIABLE, FrozenBackbone
from lightning_modules.interface import HasEmbedding
from lightning_modules.layers.perceptual import MissingWeightsError


@pytest.fixture
def weights(tmp_path, monkeypatch):
    torch.manual_seed(7)
    network = resnet18()
    path = tmp_path / "resnet18.pt"
    torch.save(network.state_dict(), path)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(path))
    return network


def test_random_weights_are_said_aloud(monkeypatch, caplog):
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    with caplog.at_level(logging.WARNING):
        settled = FrozenBackbone.resolve_arguments({"layer": "layer1"})
    assert settled == {"layer": "layer1", "weights": "random"}
    assert "they are random" in caplog.text
    method = FrozenBackbone(**settled, image_size=32).train()
    assert isinstance(method, HasEmbedding)
    assert method.embedding(torch.rand(2, 3, 32, 32)).shape == (2, 64, 16, 16)
    assert not method.network.training and not any(p.requires_grad for p in method.parameters())


def test_local_weights_are_those_of_the_file_and_named_by_it(weights):
    settled = FrozenBackbone.resolve_arguments({"weights": "local_or_random"})
    assert len(settled["weights"]) == 12 and settled["weights"] != "random"
    method = FrozenBackbone(**settled, image_size=32, layer="layer1", enlarge=1)
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        network = weights.eval()
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        x = (image - mean) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        torch.testing.assert_close(method.embedding(image), network.layer1(x))


def test_other_weights_than_asked_for_are_refused(weights, tmp_path, monkeypatch):
    with pytest.raises(MissingWeightsError, match=r"0123\.\.\. is asked for"):
        FrozenBackbone(weights="0123")
    with pytest.raises(MissingWeightsError, match="holds no weights of 'resnet34'"):
        FrozenBackbone(backbone="resnet34")
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "none.pt"))
    with pytest.raises(MissingWeightsError, match="no such file"):
        FrozenBackbone()
    monkeypatch.delenv(WEIGHTS_VARIABLE)
    with pytest.raises(MissingWeightsError, match="has to name their file"):
        FrozenBackbone(weights="0123")


def test_a_layer_without_maps_is_refused():
    method = FrozenBackbone(weights="random", layer="flatten", image_size=32)
    with pytest.raises(ValueError, match=r"gives \[2, 512\], no maps"):
        method.embedding(torch.rand(2, 3, 32, 32))


def test_timm_is_asked_for_a_stage(monkeypatch):
    class Net(nn.Module):
        def forward_intermediates(self, x, indices, intermediates_only, output_fmt):
            assert (indices, intermediates_only, output_fmt) == ([1], True, "NCHW")
            return [x[:, :2, ::4, ::4]]

    timm = ModuleType("timm")
    timm.create_model = lambda name, pretrained: Net() if not pretrained else None
    monkeypatch.setitem(sys.modules, "timm", timm)
    method = FrozenBackbone(library="timm", backbone="any", layer="1", weights="random")
    assert method.embedding(torch.rand(2, 3, 64, 64)).shape == (2, 2, 32, 32)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="pip install timm"):
        FrozenBackbone(library="timm", weights="random")
