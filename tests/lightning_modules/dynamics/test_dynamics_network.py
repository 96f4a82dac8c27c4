import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from lightning_modules.dynamics.losses import chamfer, matched
from lightning_modules.dynamics.network import (
    GCN,
    GatedConv,
    GraphStep,
    TransformerStep,
    radius_graph,
    roll_out,
)
from lightning_modules.dynamics.tracking import in_order, nearest, track
from lightning_modules.interface import Particles

BOUNDS = (0.4, 0.04, "rest")
GRAPH = {"hidden": 16, "radius": 0.5, "neighbours": 10}


def steps(bounds=BOUNDS, memory=3):
    torch.manual_seed(0)
    made = {
        name: GraphStep(5, memory=memory, convolution=name, bounds=bounds, **GRAPH)
        for name in ("gcn", "gated", "edge")
    }
    made["transformer"] = TransformerStep(
        5, memory=memory, hidden=16, layers=2, heads=2, bounds=bounds
    )
    return made


def history(count=4, frames=3, particles=6):
    return torch.rand(count, frames, particles, 5, generator=torch.Generator().manual_seed(1)) - 0.5


def test_a_graph_holds_itself_and_at_most_so_many_of_the_near():
    at = torch.tensor([[[0.0, 0.0], [0.1, 0.0], [0.15, 0.0], [0.25, 0.0], [0.25, 0.0]]])
    wanted = [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 1], [0, 1, 1, 1, 1]]
    assert radius_graph(at, 0.2, 10)[0].int().tolist() == wanted
    # In one place with another it still hears itself first.
    assert radius_graph(at, 0.2, 1)[0].equal(torch.eye(5, dtype=torch.bool))
    assert radius_graph(at, math.inf, 3)[0].sum(1).tolist() == [3] * 5


def test_convolutions_are_their_formulas():
    torch.manual_seed(0)
    x, at = torch.randn(2, 6, 5), torch.rand(2, 6, 2)
    graph = radius_graph(at, 0.4, 10)
    gcn, gated = GCN(5, 3), GatedConv(5, 3)
    for n in range(2):
        for i in range(6):
            heard = graph[n, i].nonzero().flatten().tolist()
            degree = [graph[n, j].sum().item() for j in range(6)]
            want = sum(gcn.linear(x[n, j]) / math.sqrt(degree[i] * degree[j]) for j in heard)
            torch.testing.assert_close(gcn(x, graph, at)[n, i], want + gcn.bias)
            to = gated.gate_to(x[n, i])
            want = gated.own(x[n, i]) + sum(
                (to + gated.gate_from(x[n, j])).sigmoid() * gated.value(x[n, j]) for j in heard
            )
            torch.testing.assert_close(gated(x, graph, at)[n, i], want)


@pytest.mark.parametrize("name", sorted(steps()))
def test_particles_have_no_order_and_deltas_have_bounds(name):
    step, seen = steps()[name], history()
    out = step(seen)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(step(seen[:, :, order]), out[:, :, order], rtol=1e-4, atol=1e-5)
    for parameter in step.parameters():
        torch.nn.init.normal_(parameter, 0, 30)
    moved = (step(seen) - seen[:, -out.shape[1] :]).abs()
    assert moved[..., :2].max() <= 0.4 + 1e-6 and moved[..., :2].max() > 0.39
    assert moved[..., 2:].max() <= 0.04 + 1e-6 and moved[..., 2:].max() > 0.039


@pytest.mark.parametrize("name", sorted(steps()))
@pytest.mark.parametrize("inertia", ["rest", "velocity"])
def test_long_rollouts_stay_finite_whatever_the_weights(name, inertia):
    step = steps((0.4, 0.04, inertia))[name]
    for parameter in step.parameters():
        torch.nn.init.normal_(parameter, 0, 30)
    made = roll_out(step, history(), 50)
    assert made.shape == (4, 50, 6, 5) and made.isfinite().all()
    # Even where every step adds the most there is to what went before.
    assert made.abs().max() < 0.4 * 50 * 51 / 2 + 60


@pytest.mark.parametrize("name", sorted(steps()))
def test_inertia_goes_straight_before_anything_is_learned(name):
    step, seen = steps((0.4, 0.04, "velocity"))[name], history()
    made = roll_out(step, seen, 7)
    velocity = seen[:, -1, :, :2] - seen[:, -2, :, :2]
    torch.testing.assert_close(made[:, -1, :, :2], seen[:, -1, :, :2] + 7 * velocity)
    torch.testing.assert_close(made[:, -1, :, 2:], seen[:, -1, :, 2:])
    step(seen).square().sum().backward()
    assert sum(float(p.grad.abs().sum()) > 0 for p in step.parameters() if p.grad is not None) >= 2


def test_the_transformer_does_not_look_ahead():
    step, seen = steps()["transformer"], history()
    before = step(seen)
    seen[:, -1] += 1
    after = step(seen)
    torch.testing.assert_close(after[:, :-1], before[:, :-1])
    assert (after[:, -1] - before[:, -1] - 1).abs().max() > 1e-3


def test_the_nearest_assignment_is_one_to_one_and_the_best_where_all_is_near():
    at = torch.rand(20, 8, 2, generator=torch.Generator().manual_seed(0))
    order = torch.stack([torch.randperm(8) for _ in range(20)])
    moved = at.gather(1, order.unsqueeze(-1).expand(-1, -1, 2)) + 0.001
    cost = torch.cdist(at, moved)
    found = nearest(cost)
    assert (found.sort(1).values == torch.arange(8)).all()
    for clip in range(20):
        assert found[clip].tolist() == linear_sum_assignment(cost[clip].numpy())[1].tolist()


def test_tracking_undoes_a_shuffle_of_every_frame():
    generator = torch.Generator().manual_seed(0)
    at = torch.rand(2, 1, 6, 2, generator=generator) + torch.arange(9).view(1, 9, 1, 1) * 0.005
    looks = torch.randn(2, 1, 6, 3, generator=generator).expand(-1, 9, -1, -1)
    true = Particles(at, at, at, looks, looks[..., 0], None, looks[:, :, 0])
    shuffled = []
    for t in range(9):
        frame = Particles(*(None if f is None else f[:, t] for f in true))
        order = torch.stack([torch.randperm(6, generator=generator) for _ in range(2)])
        shuffled.append(in_order(frame, torch.arange(6).expand(2, -1) if not t else order))
    given = Particles(
        *(None if f[0] is None else torch.stack(f, 1) for f in zip(*shuffled, strict=True))
    )
    assert not torch.equal(given.position, true.position)
    found = track(given)
    for have, want in zip(found, true, strict=True):
        assert (have is None) == (want is None)
        if want is not None:
            torch.testing.assert_close(have, want)


def test_losses_by_hand():
    have = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    want = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.3, 0.0]]])
    # As sets: 0 and 0.09 one way, the same the other way.
    assert chamfer(have, want).item() == pytest.approx(0.18)
    assert chamfer(have, have.flip(1)).item() == 0
    # One by one: a unit beyond 0.05 counts 0.05 (1 - 0.025).
    far = 0.05 * (1 - 0.025)
    assert matched(have, want, 1.0).item() == pytest.approx((2 * far + 0.05 * (0.3 - 0.025)) / 2)
