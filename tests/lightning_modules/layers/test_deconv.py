import math

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.layers.deconv import Dense, Doubling, Growth, MirroredEncoder, Tower


@pytest.mark.parametrize(("kernel", "padding"), [(3, 0), (5, 1)])
def test_a_doubling_is_a_transposed_convolution_with_tensorflows_alignment(kernel, padding):
    torch.manual_seed(0)
    layer = Doubling(6, 4, kernel, None).double()
    x = torch.randn(2, 6, 5, 8, dtype=torch.float64, requires_grad=True)
    plain = F.conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=padding)
    plain = plain[..., :-1, :-1]
    torch.testing.assert_close(layer(x), plain)
    weights = torch.randn_like(plain)
    ours = torch.autograd.grad((layer(x) * weights).sum(), [x, layer.weight, layer.bias])
    theirs = torch.autograd.grad((plain * weights).sum(), [x, layer.weight, layer.bias])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_other_kernels_are_refused():
    with pytest.raises(ValueError, match="3 or 5, got 4"):
        Doubling(1, 1, 4, None)


def test_a_kernel_as_wide_as_its_stride_tiles():
    torch.manual_seed(0)
    layer = Growth(3, 2, 4, 4, None)
    x = torch.randn(2, 3, 5, 6)
    grown = layer(x)
    assert grown.shape == (2, 2, 20, 24)
    tile = torch.einsum("c,codf->odf", x[1, :, 2, 3], layer.weight) + layer.bias[:, None, None]
    torch.testing.assert_close(grown[1, :, 8:12, 12:16], tile)


def test_a_stride_of_one_is_a_convolution_of_the_same_size():
    torch.manual_seed(0)
    layer = Growth(3, 2, 5, 1, 0.3)
    x = torch.randn(2, 3, 7, 6)
    turned = layer.scaled().transpose(0, 1).flip(2, 3)
    torch.testing.assert_close(layer(x), F.conv2d(x, turned, layer.bias, padding=2))
    assert layer.scale == pytest.approx(0.3 * (2 / 75) ** 0.5)


def test_of_rows_too_many_the_odd_one_is_cut_at_the_end():
    """As TensorFlow's SAME does: kernel 5 at stride 2 has three too many, one goes in front."""
    torch.manual_seed(0)
    for kernel, stride, before, after in ((5, 2, 1, 2), (4, 2, 1, 1), (3, 2, 0, 1), (7, 4, 1, 2)):
        layer, x = Growth(2, 2, kernel, stride, None), torch.randn(1, 2, 4, 4)
        whole = F.conv_transpose2d(x, layer.weight, layer.bias, stride=stride)
        cut = slice(before, whole.shape[-1] - after)
        torch.testing.assert_close(layer(x), whole[..., cut, cut])


def test_kernels_that_leave_gaps_are_refused():
    with pytest.raises(ValueError, match="kernel of 3 leaves gaps at stride 4"):
        Growth(1, 1, 3, 4, None)


def test_a_tower_of_other_strides():
    torch.manual_seed(0)
    tower = Tower(6, (8, 4, 4), (4, 4, 5), 2, strides=(4, 4, 1))
    assert tower(torch.randn(3, 6)).shape == (3, 2, 64, 64)
    plain, doubled = (Tower(6, (8, 4), (3, 5), 2, strides=s) for s in (None, (2, 2)))
    doubled.load_state_dict(plain.state_dict())
    code = torch.randn(3, 6)
    assert torch.equal(plain(code), doubled(code))


def test_plain_weights_and_biases_are_cut_normals_of_a_tenth():
    torch.manual_seed(0)
    layer = Dense(300, 300)
    for values in (layer.weight, layer.bias):
        assert values.abs().max() <= 0.2
        # A normal cut at two deviations has 0.88 of them left.
        assert values.std().item() == pytest.approx(0.088, rel=0.1)


def test_the_second_scheme_scales_at_run_time():
    torch.manual_seed(0)
    layer = Dense(50, 2000, balance=0.3)
    x = torch.randn(64, 50)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.05)
    assert layer(x).std().item() == pytest.approx(0.3 * math.sqrt(2), rel=0.05)
    assert not layer.bias.any()


def test_tower_and_mirror_have_each_others_shapes():
    code = torch.randn(3, 6)
    image = Tower(6, (16, 8, 8), (3, 3, 5), 2)(code)
    assert image.shape == (3, 2, 32, 32)
    mean, log_variance = MirroredEncoder(2, (16, 8, 8), (3, 3, 5), 6)(image)
    assert mean.shape == log_variance.shape == code.shape
