"""What pictures are compared by, and who settles whether VGG16 is there."""

import pytest
import torch

from lightning_modules.autolink.losses import FeatureError
from lightning_modules.autolink.module import AutoLink
from lightning_modules.keynet.module import KeyNet
from lightning_modules.layers.gradients import oriented_gradients
from lightning_modules.layers.perceptual import (
    WEIGHTS_VARIABLE,
    MissingWeightsError,
    VGGFeatures,
    described_by,
)

IMAGE = torch.linspace(0, 1, 3 * 32 * 32).view(1, 3, 32, 32)


def test_pictures_are_compared_by_what_was_asked_for():
    assert [torch.equal(m, IMAGE) for m in described_by("mse", ())(IMAGE)] == [True]
    pixels, edges = described_by("gradients", ())(IMAGE)
    assert torch.equal(pixels, IMAGE) and torch.equal(edges, oriented_gradients(IMAGE))
    with pytest.raises(ValueError, match="mse, gradients or vgg, got 'l1'"):
        described_by("l1", ())


def test_vgg_takes_the_layers_it_is_told_and_no_deeper(vgg_file):
    features = VGGFeatures(vgg_file, (3, 20))
    assert [tuple(m.shape[1:]) for m in features.activations(IMAGE)] == [(64, 32, 32), (512, 4, 4)]
    assert len(features.features) == 21


def test_vgg_sees_standardised_colours(monkeypatch, vgg_file):
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(vgg_file))
    pixels, maps = described_by("vgg", (3,))(IMAGE)
    scale = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    seen = (IMAGE - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / scale
    assert torch.equal(pixels, IMAGE)
    torch.testing.assert_close(maps, VGGFeatures(vgg_file, (3,)).activations(seen)[0])


def test_methods_use_vgg_where_it_is_and_say_where_it_is_not(monkeypatch, vgg_file, caplog):
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(vgg_file))
    assert len(described_by("vgg", (3, 8))(IMAGE)) == 3
    assert KeyNet.resolve_arguments({"reconstruction": "vgg_or_mse"}) == {"reconstruction": "vgg"}
    method = KeyNet(64, 4, (8, 8), renderer_channels=(8, 8), reconstruction="vgg_or_mse")
    assert len(method.error.running) == 6
    assert not any("features" in name for name in method.state_dict())
    # AutoLink compares no pixels, and VGG's maps at 224 px.
    shapes = [tuple(m.shape[1:]) for m in FeatureError("vgg").maps(IMAGE)]
    assert shapes == [(64, 224, 224), (128, 112, 112), (256, 56, 56), (512, 28, 28)]
    monkeypatch.delenv(WEIGHTS_VARIABLE)
    assert AutoLink.resolve_arguments({"reconstruction": "vgg_or_mse"}) == {"reconstruction": "mse"}
    assert "reconstruction loss is MSE" in caplog.text
    with pytest.raises(MissingWeightsError, match=WEIGHTS_VARIABLE):
        KeyNet(64, 4, (8, 8), renderer_channels=(8, 8), reconstruction="vgg")
