"""How codes of frames follow from first codes and noise: by hand, cut in time, standing still."""

import pytest
import torch
from torch.nn import functional as F

from lightning_modules.deformable.dynamics import Dynamics, Transition


def made(state=4, noise=3, **more):
    torch.manual_seed(0)
    return Transition(state, noise, **{"hidden": (6, 5)} | more).double()


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def by_hand(transition, noise, detached=()):
    """Every clip and every frame on its own, the input of the MLP glued together as in print."""
    clips = []
    for xi in noise:
        s = torch.zeros(transition.state, dtype=xi.dtype)
        states = [s]
        for t, push in enumerate(xi):
            if t in detached:
                s = s.detach()
            x = torch.cat([s, push])
            for layer in transition.layers[:-1]:
                x = (layer.scale * layer.weight @ x + layer.bias).clamp(min=0)
            last = transition.layers[-1]
            x = last.scale * last.weight @ x + last.bias
            s = torch.tanh(x + s) if transition.kind == "residual" else torch.tanh(x)
            states.append(s)
        clips.append(torch.stack(states))
    return torch.stack(clips)


def test_the_papers_sizes():
    streams = Dynamics(Transition(60, 3), Transition(30, 10))
    count = [sum(p.numel() for p in s.parameters()) for s in (streams.appearance, streams.geometry)]
    assert count == [2960, 1870]
    assert streams.sizes(60) == (237, 620)


@pytest.mark.parametrize("kind", ["mlp", "residual"])
@pytest.mark.parametrize("equalised", [False, True])
def test_states_are_those_written_out(kind, equalised):
    transition, noise = made(kind=kind, equalised=equalised), drawn(2, 7, 3)
    states = transition(noise)
    assert states.shape == (2, 8, 4) and not states[:, 0].any()
    assert states[:, 1:].std() > 0.01
    wanted = by_hand(transition, noise)
    torch.testing.assert_close(states, wanted)
    weights = torch.randn_like(states)
    ours = torch.autograd.grad((states * weights).sum(), [noise, *transition.parameters()])
    theirs = torch.autograd.grad((wanted * weights).sum(), [noise, *transition.parameters()])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_without_noise_a_clip_follows_its_bias_alone():
    transition = made()
    states = transition(torch.zeros(2, 4, 3, dtype=torch.float64))
    assert torch.equal(states[0], states[1])
    inner = transition.layers[1](transition.layers[0].bias.relu())
    torch.testing.assert_close(states[0, 1], transition.layers[2](inner.relu()).tanh())
    for layer in transition.layers:
        torch.nn.init.zeros_(layer.bias)
    assert not transition(torch.zeros(2, 4, 3, dtype=torch.float64)).any()


def test_a_start_of_zero_stands_still_and_residual_states_decay():
    still, noise = made(start=0.0), drawn(2, 3, 3)
    assert not still(noise).any()
    assert not made(start=0.0, kind="residual")(noise).any()
    residual = made(kind="residual")
    states = residual(noise)
    x = residual.layers[2](residual.layers[1](residual.layers[0].bias.relu()).relu())
    assert not torch.allclose(states[:, 2], x.tanh())  # it hangs on what was before
    for values in residual.layers[2].parameters():
        values.data.zero_()
    residual.layers[2].bias.data.fill_(0.3)
    grown = residual(noise)[0, :, 0].tolist()
    assert grown[1] == pytest.approx(torch.tensor(0.3).tanh().item())
    assert grown[2] == pytest.approx(torch.tensor(0.3 + grown[1]).tanh().item())


def test_truncation_keeps_values_and_cuts_gradients_between_windows():
    noise = drawn(2, 7, 3)
    whole, wide, cut = made(), made(truncate=7), made(truncate=3)
    weights = torch.randn(2, 8, 4, dtype=torch.float64)
    found = []
    for transition in (whole, wide, cut):
        states = transition(noise)
        (slope,) = torch.autograd.grad((states * weights).sum(), noise)
        found.append((states.detach(), slope))
    for states, _ in found[1:]:
        assert torch.equal(states, found[0][0])
    torch.testing.assert_close(found[1][1], found[0][1])
    wanted = (by_hand(whole, noise, detached=(3, 6)) * weights).sum()
    torch.testing.assert_close(found[2][1], torch.autograd.grad(wanted, noise)[0])
    late = cut(noise)[:, 4:].sum()  # frames 4 to 7 come of noise 3 to 6
    (slope,) = torch.autograd.grad(late, noise)
    assert not slope[:, :3].any() and slope[:, 3:].abs().min() > 0


def test_streams_lie_in_one_code_appearance_first():
    streams = Dynamics(made(4, 3), made(2, 1))
    flat = drawn(5, sum(streams.sizes(6)))
    assert streams.sizes(6) == (4 + 5 * 3, 2 + 5 * 1)
    assert streams.parts(6) == (4, 15, 2, 5)
    what, where = streams(flat, 6)
    assert torch.equal(what[:, 0], flat[:, :4]) and torch.equal(where[:, 0], flat[:, 19:21])
    noise = flat[:, 4:19].view(5, 5, 3)
    torch.testing.assert_close(what, flat[:, None, :4] + streams.appearance(noise))
    torch.testing.assert_close(
        where, flat[:, None, 19:21] + streams.geometry(flat[:, 21:].view(5, 5, 1))
    )


def test_a_single_frame_has_no_noise():
    streams = Dynamics(made(4, 3), made(2, 1))
    what, where = streams(drawn(2, 6), 1)
    assert what.shape == (2, 1, 4) and where.shape == (2, 1, 2)


def test_what_it_cannot_be_is_refused():
    with pytest.raises(ValueError, match="'mlp' or 'residual', got 'gru'"):
        made(kind="gru")
    with pytest.raises(ValueError, match="needs a hidden layer"):
        made(hidden=())


def test_equalised_weights_have_hes_constant():
    transition = made(equalised=True)
    assert [layer.scale for layer in transition.layers] == pytest.approx(
        [(2 / fan) ** 0.5 for fan in (7, 6, 5)]
    )
    assert not transition.layers[0].bias.any()


def test_plain_weights_start_as_everywhere():
    layer = Transition(60, 3).layers[0]
    assert layer.weight.std().item() == pytest.approx(0.088, rel=0.1)
    assert torch.equal(
        layer(torch.ones(1, 63)), F.linear(torch.ones(1, 63), layer.weight, layer.bias)
    )
