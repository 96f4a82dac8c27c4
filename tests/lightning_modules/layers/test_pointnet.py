"""The point-cloud encoder against the message passing written out pair by pair."""

import torch

from lightning_modules.layers.pointnet import (
    MessageLayer,
    PointCloudEncoder,
    gather_neighbours,
    nearest_neighbours,
)


def test_neighbours_are_the_nearest_with_oneself_first():
    points = torch.tensor([[[0.0, 0.0], [0.1, 0.0], [1.0, 0.0], [1.2, 0.0]]])
    assert nearest_neighbours(points, 2)[0].tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]


def test_more_neighbours_than_points_are_all_points():
    assert nearest_neighbours(torch.rand(1, 4, 2), 10).shape == (1, 4, 4)


def test_gather_takes_each_pictures_own_points():
    values = torch.arange(12.0).view(2, 3, 2)
    neighbours = torch.tensor([[[0, 2], [1, 0], [2, 1]], [[2, 0], [1, 2], [0, 1]]])
    gathered = gather_neighbours(values, neighbours)
    for b in range(2):
        for n in range(3):
            for k in range(2):
                assert torch.equal(gathered[b, n, k], values[b, neighbours[b, n, k]])


def test_a_message_layer_is_the_formula_pair_by_pair():
    torch.manual_seed(0)
    layer = MessageLayer(4, 8).eval()
    features, points = torch.rand(1, 6, 4), torch.rand(1, 6, 2)
    neighbours = nearest_neighbours(points, 3)
    out = layer(features, points, neighbours)
    for i in range(6):
        messages = []
        for j in neighbours[0, i].tolist():
            pair = torch.cat([features[0, j], points[0, j] - points[0, i]])
            hidden = layer.first_norm(layer.first(pair)[None]).relu()
            messages.append(layer.second_norm(layer.second(hidden))[0])
        wanted = torch.stack(messages).amax(0).relu()
        torch.testing.assert_close(out[0, i], wanted, rtol=1e-5, atol=1e-6)


def test_the_encoding_does_not_depend_on_the_order_of_the_points():
    torch.manual_seed(0)
    encoder = PointCloudEncoder(3, (8, 16), neighbours=4).eval()
    points, features = torch.rand(2, 7, 2), torch.rand(2, 7, 3)
    order = torch.randperm(7)
    torch.testing.assert_close(
        encoder(points, features), encoder(points[:, order], features[:, order])
    )
