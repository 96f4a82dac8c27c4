"""Controls: constant, random and linear codes are what their names say."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from lightning_modules.controls.pca import GradientPCA, PixelPCA
from lightning_modules.controls.points import FixedPoints, RandomPoints
from lightning_modules.interface import HasCodes, HasKeypoints
from lightning_modules.layers.gradients import oriented_gradients


def test_fixed_points_are_distinct_inside_and_the_same_for_all():
    points = FixedPoints(n_keypoints=25).keypoints(torch.rand(3, 3, 64, 64)).mean
    assert points.shape == (3, 25, 2)
    assert points.abs().max() <= 1
    assert torch.equal(points[0], points[2])
    assert torch.cdist(points[0], points[0]).fill_diagonal_(9).min() > 0.1


def test_random_points_are_a_function_of_the_picture_whatever_its_batch():
    images = torch.rand(8, 3, 32, 32)
    method = RandomPoints(n_keypoints=30)
    together = method.keypoints(images).mean
    torch.testing.assert_close(together[3:4], method.keypoints(images[3:4]).mean, rtol=0, atol=0)
    assert not torch.equal(together, RandomPoints(n_keypoints=30, seed=1).keypoints(images).mean)


def test_random_points_are_uniform_and_uncorrelated_even_for_nearly_equal_pictures():
    images = torch.zeros(2000, 3, 8, 8)
    images.view(2000, -1)[torch.arange(2000), torch.arange(2000) % 192] = (
        torch.arange(2000) // 192 + 1
    ) / 255
    points = RandomPoints(n_keypoints=4).keypoints(images).mean.flatten(1)
    assert points.abs().max() <= 1
    assert points.mean(0).abs().max() < 0.06
    assert (points.std(0) - 3**-0.5).abs().max() < 0.03
    assert (torch.corrcoef(points.T) - torch.eye(8)).abs().max() < 0.1


def fitted(images: torch.Tensor, kind=PixelPCA, **arguments):
    method = kind(image_size=images.shape[-1], **arguments)
    for batch in images.split(13):
        method.training_step({"image": batch, "index": torch.arange(len(batch))}, 0)
    method.on_train_epoch_end()
    return method


def test_pca_over_batches_is_scikit_learns_pca():
    torch.manual_seed(0)
    images = torch.rand(200, 3, 8, 8) * torch.linspace(0.1, 1, 192).view(3, 8, 8)
    method = fitted(images, n_components=5)
    wanted = PCA(5, svd_solver="full").fit(images.flatten(1).double().numpy())
    have = method.encode(images).where.numpy()
    want = wanted.transform(images.flatten(1).double().numpy())
    np.testing.assert_allclose(np.abs(have), np.abs(want), atol=1e-4)


def test_pca_of_gradients_is_scikit_learns_pca_of_them():
    torch.manual_seed(0)
    images = torch.rand(60, 3, 32, 32) * torch.linspace(0.1, 1, 32)
    values = oriented_gradients(images, cell=4).flatten(1).double().numpy()
    have = fitted(images, GradientPCA, n_components=4, cells=8).encode(images).where.numpy()
    want = PCA(4, svd_solver="full").fit(values).transform(values)
    np.testing.assert_allclose(np.abs(have), np.abs(want), atol=1e-3)
    with pytest.raises(ValueError, match="5 cells do not divide a picture of 64 px"):
        GradientPCA(image_size=64, cells=5)


def test_pca_reconstructs_what_lies_in_its_components():
    torch.manual_seed(0)
    basis = torch.rand(3, 3 * 8 * 8)
    images = (torch.rand(60, 3) @ basis).view(60, 3, 8, 8)
    rebuilt = fitted(images, n_components=3).reconstruct(images)
    torch.testing.assert_close(rebuilt, images, atol=1e-4, rtol=0)


def test_pca_shrinks_large_pictures_and_refuses_too_many_components():
    method = PixelPCA(n_components=4, image_size=64, side=16)
    assert method.components.shape == (4, 768)
    with pytest.raises(ValueError, match="exceeds the 48 values"):
        PixelPCA(n_components=60, image_size=4)


def test_capabilities_follow_from_the_methods_they_have():
    assert isinstance(FixedPoints(), HasKeypoints)
    assert not isinstance(FixedPoints(), HasCodes)
    assert isinstance(PixelPCA(), HasCodes)
    assert not isinstance(PixelPCA(), HasKeypoints)
