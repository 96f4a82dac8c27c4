"""The object model: sizes of the paper, routes of gradients, the order of particles."""

import dataclasses

import pytest
import torch

from lightning_modules.dlp.object_network import ObjectDLP
from lightning_modules.dlp.object_parts import ObjectSizes

SMALL = ObjectSizes(
    image_size=64,
    n_keypoints=5,
    n_proposals=12,
    patch_size=8,
    channels=(8, 16, 16),
    prior_channels=(4, 8),
    hidden=(32, 16),
    point_channels=(16, 16),
    decoder_channels=(16, 8),
    decoder_last=8,
    glimpse_channels=(4, 4, 8),
)
SECOND = dataclasses.replace(
    SMALL,
    learned_size=True,
    order="depth",
    background_sees="feature",
    position_from="proposals",
    norm="group",
    proposal_filter="variance",
)
CLEVRER = ObjectSizes()
TRAFFIC = ObjectSizes(n_keypoints=15, feature_dim=20)
SHAPES = ObjectSizes(
    image_size=64,
    n_proposals=15,
    patch_size=8,
    feature_dim=6,
    channels=(32, 64, 128),
    decoder_channels=(128, 64),
)
PARTS = (
    "position.maps",
    "position.head",
    "presence",
    "background",
    "appearance",
    "prior",
    "point_map",
    "decoder",
    "painter",
)
# Millions of parameters: in all, then of the parts above.
PUBLISHED = [
    (CLEVRER, 5.801, (1.180, 0.694, 0.690, 0.690, 0.581, 0.072, 0.858, 0.435, 0.602)),
    (TRAFFIC, 6.998, (1.181, 1.024, 1.018, 1.021, 0.585, 0.072, 1.024, 0.467, 0.606)),
    (SHAPES, 4.166, (0.293, 0.694, 0.690, 0.690, 0.188, 0.072, 0.858, 0.116, 0.565)),
]


def millions(module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


@pytest.mark.parametrize(
    ("shape", "total", "parts"), PUBLISHED, ids=["clevrer", "traffic", "shapes"]
)
def test_every_part_has_the_papers_parameters(shape, total, parts):
    network = ObjectDLP(shape)
    assert millions(network) == pytest.approx(total, rel=0.01)
    for name, expected in zip(PARTS, parts, strict=True):
        assert millions(network.get_submodule(name)) == pytest.approx(expected, rel=0.01), name


@pytest.mark.parametrize("shape", [SMALL, SECOND], ids=["paper", "second"])
def test_shapes_of_what_comes_out(shape):
    torch.manual_seed(0)
    network = ObjectDLP(shape)
    image = torch.rand(2, 3, 64, 64)
    posterior, drawn = network.encode(image, sample=True)
    assert posterior.position.mean.shape == (2, 6, 2)
    assert posterior.feature.mean.shape == (2, 6, 5)
    assert posterior.crops.shape == (2, 5, 3, 16, 16)
    assert posterior.extra.mean.shape == (2, 5, shape.extras)
    assert drawn.size.shape == (2, 5, 2)
    assert (drawn.presence > 0).all() and (drawn.presence < 1).all()
    assert network.decode(drawn).shape == image.shape
    assert network.prior(image).shape == (2, 12, 2)


def test_a_glimpse_of_the_paper_is_a_quarter_of_the_picture():
    _, drawn = ObjectDLP(SMALL).encode(torch.rand(2, 3, 64, 64), sample=False)
    assert drawn.size.unique().tolist() == [0.5]


def test_glimpses_send_no_gradient_into_positions_and_presence_none_into_the_maps():
    network = ObjectDLP(SMALL)
    _, drawn = network.encode(torch.rand(2, 3, 64, 64), sample=True)
    (drawn.features.sum() + drawn.presence.sum() + drawn.background.sum()).backward()
    assert all(p.grad is None for p in network.position.parameters())
    assert all(p.grad is not None for p in network.presence.parameters())
    assert all(p.grad is not None for p in network.background.parameters())


def test_the_background_teaches_positions_and_its_own_feature_alone():
    network = ObjectDLP(SMALL)
    _, drawn = network.encode(torch.rand(2, 3, 64, 64), sample=False)
    leaves = drawn._replace(
        points=drawn.points.detach().requires_grad_(True),
        features=drawn.features.detach().requires_grad_(True),
        background=drawn.background.detach().requires_grad_(True),
    )
    network.paint_background(leaves).square().sum().backward()
    assert leaves.points.grad is not None and leaves.points.grad.abs().sum() > 0
    assert leaves.background.grad is not None
    assert leaves.features.grad is None


def opaque(network: ObjectDLP, count: int = 5):
    """Particles of one glimpse each at one place, whose alpha is one."""
    with torch.no_grad():
        network.painter.blocks[-1].bias[0] = 20
    one = torch.zeros(1, count, 2)
    return network.encode(torch.rand(1, 3, 64, 64), sample=False)[1]._replace(
        points=one, presence=torch.ones(1, count)
    )


def test_the_first_particle_hides_the_others_and_presence_takes_one_out():
    torch.manual_seed(0)
    network = ObjectDLP(SMALL).eval()
    drawn = opaque(network)
    painted = network.painter(drawn.features)
    _, shares = network.lay(painted, drawn)
    inner = shares[0, :, 17 * 8 + 8]
    assert inner.tolist() == pytest.approx([1, 0, 0, 0, 0], abs=1e-5)
    gone = drawn.presence.clone()
    gone[:, 0] = 0
    _, shares = network.lay(painted, drawn._replace(presence=gone))
    assert shares[0, :, 17 * 8 + 8].tolist() == pytest.approx([0, 1, 0, 0, 0], abs=1e-5)


def test_by_depth_the_nearest_particle_is_seen_and_gradients_reach_the_depths():
    torch.manual_seed(0)
    network = ObjectDLP(SECOND).eval()
    depth = torch.tensor([[0.0, 0.0, 9.0, 0.0, 0.0]], requires_grad=True)
    drawn = opaque(network)._replace(depth=depth, size=torch.full((1, 5, 2), 0.5))
    placed, shares = network.lay(network.painter(drawn.features), drawn)
    at = int((placed.pixels[0, 0] == 32 * 64 + 32).nonzero())
    assert shares[0, :, at].tolist() == pytest.approx([0, 0, 1, 0, 0], abs=1e-2)
    network.decode(drawn).square().sum().backward()
    assert depth.grad is not None and depth.grad.abs().sum() > 0


def test_a_background_of_its_own_feature_is_the_same_for_any_particles():
    torch.manual_seed(0)
    network = ObjectDLP(SECOND).eval()
    _, drawn = network.encode(torch.rand(2, 3, 64, 64), sample=False)
    moved = drawn._replace(points=drawn.points + 0.3, presence=drawn.presence * 0)
    assert torch.equal(network.paint_background(drawn), network.paint_background(moved))
    assert torch.equal(network.decode(moved), network.paint_background(drawn))
    with pytest.raises(ValueError, match="set its presence to 0"):
        few = ObjectDLP(SMALL).encode(torch.rand(1, 3, 64, 64), sample=False)[1]
        ObjectDLP(SMALL).paint_background(few._replace(points=few.points[:, :4]))


def test_learned_sizes_stay_within_a_factor_of_two():
    torch.manual_seed(0)
    network = ObjectDLP(SECOND)
    with torch.no_grad():
        network.appearance.head[-1].weight.mul_(1000)
    _, drawn = network.encode(torch.rand(4, 3, 64, 64), sample=True)
    assert drawn.size.min() >= 0.25 and drawn.size.max() <= 1.0
    assert drawn.size.max() > 2 * drawn.size.min()


def test_noise_changes_alphas_and_presences_and_cuts_their_gradient():
    torch.manual_seed(0)
    network = ObjectDLP(SMALL).eval()
    _, drawn = network.encode(torch.rand(2, 3, 64, 64), sample=False)
    calm = network.decode(drawn)
    torch.testing.assert_close(network.decode(drawn), calm)
    assert not torch.allclose(network.decode(drawn, noisy=True), calm, atol=1e-3)
    for noisy, learns in ((False, True), (True, False)):
        total = network.decode(drawn, noisy=noisy).sum()
        (found,) = torch.autograd.grad(total, drawn.presence, allow_unused=True, retain_graph=True)
        assert (found is not None) == learns


def test_the_variance_filter_keeps_the_sharpest_patches():
    torch.manual_seed(0)
    network = ObjectDLP(dataclasses.replace(SMALL, proposal_filter="variance", n_proposals=3))
    with torch.no_grad():
        network.prior.maps.head.weight.mul_(1000)
    image = torch.rand(2, 3, 64, 64)
    points, within = network.prior.all_patches(image)
    order = within.log_variance.exp().sum(-1).argsort(1)[:, :3]
    wanted = points.gather(1, order.unsqueeze(-1).expand(-1, -1, 2))
    torch.testing.assert_close(network.prior(image), wanted)


def test_anchors_are_spread_over_peaks_before_they_crowd(monkeypatch):
    prior = ObjectDLP(SECOND).prior
    scores = torch.zeros(8, 8)
    scores[1, 1:5] = torch.tensor([0.7, 0.8, 0.9, 0.7])  # one large object
    scores[6, 6] = 0.3  # and a faint one
    cells = torch.arange(64.0)
    points = torch.stack([cells % 8, cells // 8], -1).unsqueeze(0)
    monkeypatch.setattr(prior, "all_patches", lambda image: (points, None))
    monkeypatch.setattr(prior, "_scores", lambda within: scores.view(1, -1))
    found = prior.anchors(torch.rand(1, 3, 64, 64), 3)[0].tolist()
    assert found == [[3, 1], [6, 6], [2, 1]]


def test_particles_stay_within_half_a_glimpse_of_their_anchors():
    torch.manual_seed(0)
    network = ObjectDLP(SECOND)
    with torch.no_grad():
        network.position.offset.head[-1].weight.mul_(1000)
    image = torch.rand(3, 3, 64, 64)
    _, position = network.locate(image)
    off = (position.mean - network.prior.anchors(image, 5)).abs()
    assert 0.2 < off.max() <= 0.25 + 1e-6


def test_glimpses_that_no_doubling_reaches_are_refused():
    with pytest.raises(ValueError, match="glimpses of 13 px"):
        dataclasses.replace(SMALL, glimpse_ratio=0.2)
