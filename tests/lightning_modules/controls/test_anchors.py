import pytest
import torch

from lightning_modules.controls.anchors import GreyPixels, SupervisedLandmarks, ZeroField


def test_a_zero_field_is_zero_and_pixels_are_pixels():
    image = torch.rand(2, 3, 16, 16)
    assert not ZeroField(16).deformation(image).any()
    features = GreyPixels(16).features(image)
    torch.testing.assert_close(features.view(2, 16, 16), image.mean(1))


def test_a_supervised_network_learns_where_a_dot_is():
    torch.manual_seed(0)
    method = SupervisedLandmarks(n_landmarks=1, image_size=16, width=8)
    assert method.trains_on == "train"
    centres = (torch.arange(16) * 2 + 1) / 16 - 1

    def batch(count):
        points = torch.rand(count, 1, 2) * 1.4 - 0.7
        across = (centres - points[..., 0, None]).square()
        down = (centres - points[..., 1, None]).square()
        dots = (-(across[:, :, None] + down[..., None]) / 0.02).exp()
        return {"image": dots.expand(-1, 3, -1, -1), "landmarks": points}

    optimizer = torch.optim.Adam(method.parameters(), lr=2e-3)
    for _ in range(150):
        optimizer.zero_grad()
        method.losses(batch(32))["loss"].backward()
        optimizer.step()
    assert method.losses(batch(200))["loss"] < 0.08  # a guess at the middle has 0.35
    assert method.keypoints(batch(3)["image"]).mean.shape == (3, 1, 2)
    assert method.features(batch(3)["image"]).shape == (3, 16 * 16)


def test_it_says_when_there_are_no_labels():
    with pytest.raises(ValueError, match="needs `landmarks`"):
        SupervisedLandmarks(image_size=16).losses({"image": torch.rand(1, 3, 16, 16)})
