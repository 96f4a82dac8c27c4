import pytest
import torch

from lightning_modules.layers.gradients import oriented_gradients
from lightning_modules.layers.perceptual import OrientedGradientLoss, summed_squared_error


def edge(side: int = 32) -> torch.Tensor:
    image = torch.full((1, 3, side, side), 0.3)
    image[..., side // 2 :] = 0.7
    return image


@pytest.mark.parametrize(("turns", "direction"), [(0, 0), (1, 6), (2, 4), (3, 2)])
def test_an_edge_is_seen_in_its_direction_and_its_place(turns, direction):
    described = oriented_gradients(edge().rot90(turns, (2, 3)))
    assert described.shape == (1, 8, 16, 16)
    strength = described[0].flatten(1).amax(1)
    assert strength.argmax() == direction and strength[direction] > 0.5
    assert strength[(direction + 4) % 8] == 0
    upright = described[0, direction].rot90(-turns)
    assert upright[:, 7:9].min() > 0.4 and upright[:, :6].max() < 1e-6


def test_half_the_light_changes_little_and_flat_noise_stays_small():
    full, half = oriented_gradients(edge()), oriented_gradients(0.5 * edge())
    assert (full - half).abs().max() < 0.1 * full.max()
    noise = 0.5 + 1e-3 * torch.rand(1, 3, 32, 32)
    assert oriented_gradients(noise).max() < 0.1


def test_cells_and_directions_are_arguments():
    assert oriented_gradients(torch.rand(2, 3, 64, 64), cell=4, orientations=6).shape == (
        2,
        6,
        16,
        16,
    )


def test_too_few_cells_are_refused():
    with pytest.raises(ValueError, match=r"\[16, 64\] pixels has cells of 4 px"):
        oriented_gradients(torch.rand(1, 3, 16, 64), cell=4)


def test_the_loss_sees_edges_and_hardly_light():
    image, loss = edge(), OrientedGradientLoss()
    assert loss(image, image) == 0
    structure = [
        (loss(other, image) - summed_squared_error(other, image)).item()
        for other in (0.7 * image, image.roll(4, -1))
    ]
    assert 0 < structure[0] < 0.05 * structure[1]
    learnt = image.clone().requires_grad_()
    loss(learnt, image.roll(4, -1)).backward()
    assert learnt.grad is not None and learnt.grad.isfinite().all() and learnt.grad.any()
