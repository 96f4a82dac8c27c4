"""Sizes, pairs and bounds: against the paper's counts, loops, and torch.distributions."""

import itertools

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn import functional as F

from lightning_modules.ddr.baselines import FrameVAE, SequentialVAE
from lightning_modules.ddr.losses import Gaussian, gaussian, kl, log_bernoulli
from lightning_modules.ddr.module import DDR
from lightning_modules.ddr.network import FrameShape, Noise, in_pieces, pairs
from tests.lightning_modules.ddr.made import METHODS, clips, made


def count(module):
    return sum(p.numel() for p in module.parameters())


def normal(found, row=slice(None)):
    return Normal(found.mean[row], (found.log_variance[row] / 2).exp())


def test_the_papers_models_have_as_many_weights_as_were_counted():
    with torch.device("meta"):  # sizes, without numbers
        digits, sprites, unpaired = DDR(64, 1, f_dim=64), DDR(), DDR(pairing="none")
        rivals = SequentialVAE(), FrameVAE()
    assert count(digits) == 22_967_689  # 22.97 M
    assert count(digits.network.common) == 11_338_880
    assert count(sprites) == count(unpaired) == 24_164_107  # 24.16 M
    for part in ("encoder", "decoder"):
        sizes = [count(getattr(model.network, part)) for model in (sprites, *rivals)]
        assert len(set(sizes)) == 1
    assert count(rivals[0]) == 21_303_051 and count(rivals[1]) == 10_003_719


def test_frames_shrink_to_maps_of_four_and_grow_back():
    network = DDR(channels=(2, 2, 2, 2), hidden=4, pair_channels=4).network
    clip = torch.rand(2, 5, 3, 64, 64)
    assert network.maps(clip).shape == (2, 5, 2, 4, 4)
    assert network.paint(torch.randn(2, 5, 256), torch.randn(2, 5, 2)).shape == clip.shape
    with pytest.raises(ValueError, match="3 halvings are for frames of 32 px, image_size is 64"):
        FrameShape(channels=(8, 8, 8))


def test_pairs_are_the_papers():
    assert list(zip(*pairs(3, "once"), strict=True)) == [(0, 1), (0, 2), (1, 2)]
    both = list(zip(*pairs(3, "both"), strict=True))
    assert both == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert pairs(3, "none") == ([0, 1, 2], [0, 1, 2])


def static_by_a_loop(network, maps):
    """q(f | x_S) of one clip's maps (N, channels, 4, 4), pair by pair as appendix B draws it."""
    seen = []
    for i, j in zip(*pairs(len(maps), network.pairing), strict=True):
        both = torch.cat([maps[i], maps[j]])[None]
        seen.append(F.relu(network.pair(both)))
    if network.aggregate == "concatenate":
        seen = torch.cat(seen, 1)
    else:
        stacked = torch.stack(seen)
        seen = stacked.mean(0) if network.aggregate == "mean" else stacked.amax(0)
    return gaussian(network.common(seen))


@pytest.mark.parametrize("draw", [2, 3, 5])
@pytest.mark.parametrize("pairing", ["once", "both", "none"])
@pytest.mark.parametrize("aggregate", ["concatenate", "mean", "max"])
def test_pairs_at_once_are_pairs_in_a_loop(draw, pairing, aggregate):
    network = made(draw=draw, pairing=pairing, aggregate=aggregate).network
    maps = torch.randn(3, draw, 8, 4, 4)
    found = network.static(maps)
    for row, each in enumerate(maps):
        wanted = static_by_a_loop(network, each)
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a[row : row + 1], b)


@torch.no_grad()
def test_which_readings_hang_on_the_order_of_frames():
    maps = torch.randn(2, 3, 8, 4, 4)
    orders = list(itertools.permutations(range(3)))

    def moved(**more):
        network = made(**more).network
        codes = torch.stack([network.static(maps[:, order]).mean for order in orders])
        return float((codes - codes[0]).abs().max())

    assert moved() > 0.01 and moved(pairing="none") > 0.01
    assert moved(aggregate="mean") > 0.001  # (i, j) is not (j, i)
    assert moved(aggregate="mean", pairing="both") < 1e-5
    assert moved(aggregate="max", pairing="both") < 1e-5
    assert moved(aggregate="mean", pairing="none") < 1e-5


def test_without_concatenation_the_number_of_frames_is_free():
    network = made(aggregate="mean").network
    assert network.static(torch.randn(2, 7, 8, 4, 4)).mean.shape == (2, 5)
    assert count(made(aggregate="max", draw=9)) == count(made(aggregate="max"))
    assert count(made(draw=4)) > count(made())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pairing": "all"}, "pairing is one of once, both, none"),
        ({"aggregate": "sum"}, "aggregate one of concatenate, mean, max, got 'once', 'sum'"),
        ({"draw": 1}, "a pair needs two frames, got draw=1"),
        ({"triples": 0}, "one choice of frames at least, got 0"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        made(**arguments)


def test_divergences_and_likelihoods_are_those_of_torch_distributions():
    raw = torch.randn(2, 4, 3, 10) * 3
    a, b = gaussian(raw[0]), gaussian(raw[1])
    torch.testing.assert_close(kl(a, b), kl_divergence(normal(a), normal(b)))
    standard = Normal(torch.zeros(5), torch.ones(5))
    torch.testing.assert_close(kl(a), kl_divergence(normal(a), standard))
    cut = gaussian(torch.tensor([0.0, 99.0]))
    assert cut.log_variance == 10 and kl(cut, cut) == 0
    logits, image = torch.randn(4, 3, 5, 5), torch.rand(4, 3, 5, 5)
    wanted = Bernoulli(logits=logits, validate_args=False).log_prob(image).sum((1, 2, 3))
    torch.testing.assert_close(log_bernoulli(logits, image), wanted)


def bound_by_a_loop(network, clip, noise):
    """The paper's bound of one clip (N, C, S, S), frame by frame, as the formula reads."""
    maps = [network.encoder(frame[None]) for frame in clip]
    q_f = normal(static_by_a_loop(network, torch.cat(maps)))
    f = q_f.loc + q_f.scale * noise.what
    total = -kl_divergence(q_f, Normal(torch.zeros(5), torch.ones(5))).sum()
    p_z = normal(gaussian(network.of_static(f)))
    for x, h, e in zip(clip, maps, noise.where, strict=True):
        q_z = normal(gaussian(network.of_frame(torch.cat([f, h.flatten(1)], 1))))
        z = q_z.loc + q_z.scale * e
        p_x = Bernoulli(logits=network.decoder(torch.cat([f, z], 1))[0], validate_args=False)
        total = total + p_x.log_prob(x).sum() - kl_divergence(q_z, p_z).sum()
    return total


@pytest.mark.parametrize("pairing", ["once", "none"])
def test_the_bound_is_the_papers(pairing):
    network, clip = made(pairing=pairing).network, clips(4, 3)
    noise = Noise(torch.randn(4, 5), torch.randn(4, 3, 2))
    parts = network(clip, noise).parts()
    bound = parts["reconstruction"] - parts["kl_where"] - parts["kl_what"]
    for row in range(4):
        wanted = bound_by_a_loop(network, clip[row], Noise(noise.what[row], noise.where[row]))
        torch.testing.assert_close(bound[row], wanted)


def joint(model, clip, what, where):
    """Log p(x, f, z) - log q(f, z | x) (B,) of drawn codes, from log-densities alone."""
    network, standard = model.network, Normal(0.0, 1.0)
    if isinstance(model, FrameVAE):
        q_f, q_z = None, network.code(clip)
        p_z = Gaussian(torch.zeros_like(where), torch.zeros_like(where))
    elif isinstance(model, SequentialVAE):
        features = network.features(clip)
        q_f = network.static(features)
        q_z = network.dynamic(what[:, None].expand(-1, clip.shape[1], -1), features)
        p_z = network.prior(where)
    else:
        maps = network.maps(clip)
        q_f = network.static(maps)
        q_z = network.dynamic(what[:, None].expand(-1, clip.shape[1], -1), maps)
        p_z = network.prior(what[:, None].expand(-1, clip.shape[1], -1))
    codes = torch.cat([what[:, None].expand(-1, clip.shape[1], -1), where], 2)
    logits = network.decoder(codes.flatten(0, 1)).view_as(clip)
    likely = Bernoulli(logits=logits, validate_args=False).log_prob(clip).flatten(1).sum(1)
    gap = (normal(p_z).log_prob(where) - normal(q_z).log_prob(where)).flatten(1).sum(1)
    if q_f is not None:
        gap = gap + (standard.log_prob(what) - normal(q_f).log_prob(what)).sum(1)
    return likely + gap


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_the_exact_divergences_are_what_densities_of_drawn_codes_come_to(method):
    model, draws = made(method).eval(), 1000
    clip = clips(1, 3).expand(draws, -1, -1, -1, -1)
    shape = model.shape
    noise = Noise(torch.randn(draws, shape.f_dim), torch.randn(draws, 3, shape.z_dim))
    parts = model.network(clip, noise).parts()
    exact = parts["reconstruction"] - parts["kl_where"] - parts["kl_what"]
    # The same codes once more, for log-densities.
    if method is FrameVAE:
        what, where = noise.what, model.network.code(clip).sample(noise.where)
    else:
        seen = model.network.features(clip) if method is SequentialVAE else model.network.maps(clip)
        what = model.network.static(seen).sample(noise.what)
        every = what[:, None].expand(-1, 3, -1)
        where = model.network.dynamic(every, seen).sample(noise.where)
    drawn = joint(model, clip, what, where)
    gap = drawn - exact  # no noise of the reconstruction is left in it
    assert gap.std() > 0.1
    assert abs(gap.mean()) < 4 * gap.std() / draws**0.5


def test_a_path_from_the_recurrent_prior_is_one_that_it_expects():
    network = made(SequentialVAE).network
    noise = torch.randn(3, 7, 2)
    path = network.path(noise)
    torch.testing.assert_close(network.prior(path).sample(noise), path)
    other = path.clone()
    other[:, 4] += 1
    expected, moved = network.prior(path).mean, network.prior(other).mean
    torch.testing.assert_close(moved[:, :5], expected[:, :5])
    assert (moved[:, 5:] - expected[:, 5:]).abs().amax(2).min() > 1e-4


def test_the_sequential_posterior_sees_order_and_every_frame():
    network, clip = made(SequentialVAE).network, clips(2, 5)
    features = network.features(clip)
    what = torch.randn(2, 1, 5).expand(-1, 5, -1)
    found = network.dynamic(what, features).mean
    changed = features.clone()
    changed[:, 4] = features[:, 0]
    assert (network.dynamic(what, changed).mean - found)[:, 0].abs().min() > 1e-6
    turned = network.dynamic(what, features.flip(1)).mean.flip(1)
    assert (turned - found).abs().max() > 1e-3
    assert (
        network.static(features.flip(1)).mean - network.static(features).mean
    ).abs().max() > 1e-3


@torch.no_grad()
def test_rows_go_in_pieces_only_without_gradients(monkeypatch):
    monkeypatch.setattr("lightning_modules.ddr.network.AT_ONCE", 4)
    sizes = []

    def halved(a, b):
        sizes.append(len(a))
        return a / 2 + b

    rows = torch.arange(10.0)
    assert torch.equal(in_pieces(halved, rows, rows), rows * 1.5) and sizes == [4, 4, 2]
    with torch.enable_grad():
        in_pieces(halved, rows, rows)
    assert sizes[3:] == [10]
