import pytest
import torch
from torch import nn

from lightning_modules.dense_dae.losses import bias, terms, total_variation
from lightning_modules.dense_dae.network import (
    REACH,
    START,
    Deformed,
    DeformingAutoencoder,
    DenseBlock,
    Shape,
    integrated,
    transformed,
)
from lightning_modules.layers.warp import base_grid

SMALL = {"image_size": 16, "channels": (4, 8), "depths": (3, 2), "code_dim": 16, "where_dim": 8}


def count(*modules: nn.Module) -> int:
    return sum(value.numel() for module in modules for value in module.parameters())


@pytest.mark.parametrize(
    ("blocks", "encoder", "decoders"),
    [
        # Measured on the released code: all weights, and those that ever got a gradient.
        ("dense", 13_569_712, 28_947_872),
        ("dense_as_released", 879_280, 3_567_008),
    ],
)
def test_it_has_as_many_weights_as_the_released_code(blocks, encoder, decoders):
    with torch.device("meta"):
        made = DeformingAutoencoder(Shape(blocks=blocks))
    assert count(made.encoder, made.what, made.where) == encoder
    assert count(made.texture, made.warp) == decoders


def test_the_released_block_is_one_convolution_times_a_power_of_two():
    torch.manual_seed(0)
    block = DenseBlock(Shape(**SMALL, blocks="dense_as_released"), 8, depth=5).eval()
    x = torch.randn(2, 8, 6, 6)
    copies = [block.layers[0](x)]
    for _ in range(4):
        copies.append(sum(copies))
    torch.testing.assert_close(copies[-1], block(x) * 2**3)


def test_every_convolution_of_a_dense_block_sees_all_before_it():
    torch.manual_seed(0)
    block = DenseBlock(Shape(**SMALL), 4, depth=3)
    x = torch.randn(2, 4, 6, 6)
    first = block.layers[0](x)
    second = block.layers[1](x + first)
    third = block.layers[2](x + first + second)
    torch.testing.assert_close(block(x), x + first + second + third)
    block(x).square().sum().backward()
    assert all(value.grad is not None and value.grad.any() for value in block.parameters())


def test_even_steps_integrate_to_an_even_grid():
    # The released code at 64 px: at most 5/64 a pixel, minus 1.2, corners at -1 and 1.
    found = integrated(torch.full((1, 2, 64, 64), 0.5))
    corner_aligned = (0.5 * 5 / 64 * torch.arange(1, 65) - 1.2).clamp(-1, 1)
    torch.testing.assert_close(found[0, 0, 3], corner_aligned * 63 / 64)
    torch.testing.assert_close(found[0, 1, :, 9], corner_aligned * 63 / 64)


def test_steps_of_the_right_size_are_the_identity():
    size, rate = 32, 2 / 31 / (REACH / 32)
    steps = torch.full((1, 2, size, size), rate)
    first = (START - 1) / (REACH / size)  # the way to the first pixel's centre
    steps[:, 0, :, 0] = steps[:, 1, 0] = first
    grid = base_grid(size, size, like=steps).permute(2, 0, 1)
    torch.testing.assert_close(integrated(steps)[0], grid, atol=1e-6, rtol=0)


def test_a_field_never_folds():
    torch.manual_seed(0)
    looked = integrated(torch.rand(3, 2, 24, 24))
    assert (looked[:, 0].diff(dim=-1) >= 0).all() and (looked[:, 1].diff(dim=-2) >= 0).all()
    assert looked.abs().max() <= 1 - 1 / 24 + 1e-6  # centres of the outermost pixels


def test_an_affine_map_follows():
    looked = torch.tensor([[[[0.2]], [[-0.4]]]])
    numbers = torch.tensor([[0.0, 1.0, 0.5, 0.0, 0.0, -1.0]])
    # x + 0.5 y + 0.25, y - 0.5
    torch.testing.assert_close(
        transformed(looked, numbers), torch.tensor([[[[0.25]], [[-0.9]]]]), atol=1e-6, rtol=0
    )


def test_sizes_that_do_not_fit_say_so():
    with pytest.raises(ValueError, match="pictures of 64 px, image_size is 32"):
        Shape(image_size=32)
    with pytest.raises(ValueError, match="differ in length"):
        Shape(depths=(6, 12))


def test_terms_are_what_they_are_called():
    field = torch.zeros(2, 2, 3, 3)
    field[0, 0, :, 1] = 2.0  # a column: up and down again in three rows, 2 each
    assert total_variation(field) == 12 / 2
    assert bias(field) == pytest.approx((1.0**2) * 3 / 18)
    picture = torch.full((2, 3, 3, 3), 0.5)
    found = terms(Deformed(picture, picture, field), torch.zeros(2, 3, 3, 3))
    assert found["absolute"] == 0.5
