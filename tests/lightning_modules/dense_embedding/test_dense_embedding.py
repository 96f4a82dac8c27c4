import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.dense_embedding.jitter import jittered
from lightning_modules.dense_embedding.losses import exchanged, misplaced, places
from lightning_modules.dense_embedding.module import DenseEmbedding
from lightning_modules.dense_embedding.network import SmallNet
from lightning_modules.interface import HasDeformation, HasEmbedding, HasFeatures
from lightning_modules.layers.warp import base_grid

NARROW = (4, 6, 8, 8, 12)


@pytest.mark.parametrize(("dim", "weights"), [(3, 334_875), (64, 350_552)])
def test_it_has_as_many_weights_as_the_released_code(dim, weights):
    with torch.device("meta"):
        made = SmallNet(dim)
    assert sum(value.numel() for value in made.parameters()) == weights


def test_a_vector_for_every_second_pixel():
    method = DenseEmbedding(image_size=16, dim=5, channels=NARROW)
    assert isinstance(method, HasEmbedding) and method.pairs
    assert not isinstance(method, HasDeformation | HasFeatures)
    assert method.embedding(torch.rand(2, 3, 16, 16)).shape == (2, 5, 8, 8)


def test_the_loss_is_that_of_the_loops_of_the_paper():
    torch.manual_seed(0)
    batch, n, m, c = 3, 4, 6, 5
    ours, theirs, third = (torch.randn(batch, k, c) for k in (n, m, 7))
    source, where = torch.randn(batch, n, 2), torch.randn(m, 2)
    total = 0.0
    for b in range(batch):
        for u in range(n):
            by = torch.stack([ours[b, u] @ third[b, w] for w in range(7)]).softmax(0)
            vector = sum(by[w] * third[b, w] for w in range(7))
            chance = torch.stack([vector @ theirs[b, v] for v in range(m)]).softmax(0)
            far = torch.stack([(where[v] - source[b, u]).norm() ** 0.5 for v in range(m)])
            total += (chance * far).sum()
    found = misplaced(exchanged(ours, third), source, theirs, where)
    torch.testing.assert_close(found, total / (batch * n))


def test_places_are_row_by_row():
    found = places(2, 4, like=torch.empty(0))
    torch.testing.assert_close(found[:2], torch.tensor([[-0.75, -0.5], [-0.25, -0.5]]))
    torch.testing.assert_close(found[-1], torch.tensor([0.75, 0.5]))


def still_batch(count: int = 4, size: int = 16) -> dict[str, torch.Tensor]:
    """Two views that are the same."""
    image = torch.rand(count, 3, size, size)
    source = base_grid(size, size, like=image).expand(count, -1, -1, -1)
    return {"image": image, "pair": image.clone(), "pair_source": source}


def test_vectors_that_name_their_places_lose_nothing():
    """Its vectors are told: long, and the same for the same place of both views."""

    class ByPlace(nn.Module):
        def forward(self, image):
            return (1e3 * torch.eye(64)).view(64, 8, 8).expand(len(image), -1, -1, -1)

    for exchange in (True, False):
        for every in (1, 2):
            method = DenseEmbedding(16, channels=NARROW, exchange=exchange, every=every)
            method.network = ByPlace()
            assert method.losses(still_batch())["loss"] < 1e-3
            # Seen from eight pixels aside, they point as far off as that.
            moved = still_batch()
            moved["pair_source"] = moved["pair_source"] + torch.tensor([1.0, 0.0])
            assert method.losses(moved)["loss"] == pytest.approx(8**0.5, rel=1e-4)


def test_it_learns_where_places_have_gone():
    torch.manual_seed(0)
    method = DenseEmbedding(
        image_size=16, dim=4, exchange=False, channels=NARROW, every=2, jitter=0.1
    )
    small = torch.rand(16, 3, 6, 6)
    wide = F.interpolate(small, (20, 20), mode="bicubic").clamp(0, 1)
    image, pair = wide[..., 2:18, 2:18], wide[..., 2:18, 4:20]  # two pixels to the right
    source = base_grid(16, 16, like=image).expand(16, -1, -1, -1) + torch.tensor([0.25, 0.0])
    batch = {"image": image.contiguous(), "pair": pair.contiguous(), "pair_source": source}
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-2)
    first = method.losses(batch)["loss"].item()
    for _ in range(60):
        optimizer.zero_grad()
        method.losses(batch)["loss"].backward()
        optimizer.step()
    assert method.losses(batch)["loss"].item() < 0.75 * first


def test_jitter_keeps_the_range_and_does_nothing_at_zero():
    torch.manual_seed(0)
    image = torch.rand(64, 3, 8, 8)
    torch.testing.assert_close(jittered(image, 0.0), image)
    found = jittered(image, 0.4)
    assert found.min() >= 0 and found.max() <= 1
    brighter = found.mean((1, 2, 3)) / image.mean((1, 2, 3))
    assert 0.55 < brighter.min() < 0.75 and brighter.std() > 0.1  # each picture by itself


def test_what_is_missing_is_named():
    method = DenseEmbedding(image_size=16, channels=NARROW)
    with pytest.raises(ValueError, match="`pairs: true`"):
        method.losses({"image": torch.rand(2, 3, 16, 16)})
    with pytest.raises(ValueError, match="has none"):
        method.losses(still_batch(1))
    with pytest.raises(ValueError, match="image_size must be even"):
        DenseEmbedding(image_size=15)
    with pytest.raises(ValueError, match="has 5 widths"):
        DenseEmbedding(image_size=16, channels=(4, 8))
