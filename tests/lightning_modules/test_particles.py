"""Changes of particles: each does what it says, to one particle, and to nothing in place."""

import pytest
import torch

from lightning_modules import particles as change
from lightning_modules.interface import Particles
from lightning_modules.particles import BACKGROUND

PICTURES, COUNT, FEATURES = 2, 4, 3


@pytest.fixture
def found():
    draw = torch.Generator().manual_seed(0)

    def noise(*shape):
        return torch.rand(PICTURES, *shape, generator=draw, dtype=torch.float64)

    return Particles(
        position=2 * noise(COUNT, 2) - 1,
        log_variance=-5 * noise(COUNT, 2),
        size=noise(COUNT, 2),
        feature=noise(COUNT, FEATURES),
        presence=noise(COUNT),
        depth=noise(COUNT),
        background=noise(FEATURES),
        context=noise(5, 5),
    )


def differences(before, after):
    """Field -> numbers of particles that differ in any picture (all fields of equal shape)."""
    found = {}
    for name, a, b in zip(Particles._fields, before, after, strict=True):
        if a is not None and not torch.equal(a, b):
            apart = (a != b).reshape(*a.shape[:2], -1).any(-1).any(0)
            found[name] = apart.nonzero().flatten().tolist()
    return found


def test_moving_moves_one_particle_of_every_picture_and_nothing_in_place(found):
    kept = Particles(*(None if field is None else field.clone() for field in found))
    moved = change.move(found, 2, 0.25, -0.5)
    assert differences(found, moved) == {"position": [2]}
    step = moved.position[:, 2] - found.position[:, 2]
    assert torch.allclose(step, step.new_tensor([0.25, -0.5]).expand(2, 2))
    assert differences(kept, found) == {}


def test_placing_goes_all_or_part_of_the_way(found):
    there = change.place(found, 1, 0.3, -2.0)
    assert there.position[:, 1].tolist() == [[0.3, -2.0]] * 2
    half = change.place(found, 1, 0.3, -2.0, 0.5)
    assert torch.allclose(half.position[:, 1], (found.position[:, 1] + there.position[:, 1]) / 2)
    assert differences(found, half) == {"position": [1]}


@pytest.mark.parametrize("which", [3, BACKGROUND])
def test_recolouring_sets_or_shifts_one_number(found, which):
    before = change.look(found, which)
    recoloured, shifted = change.recolour(found, which, 1, 7.0), change.shift(found, which, 1, -2.0)
    half = change.recolour(found, which, 1, 7.0, 0.5)
    field = {"background": [1]} if which == BACKGROUND else {"feature": [3]}
    for after in (recoloured, shifted, half):
        assert differences(found, after) == field
        assert torch.equal(change.look(after, which)[:, 0], before[:, 0])
    assert change.look(recoloured, which)[:, 1].tolist() == [7.0, 7.0]
    assert torch.allclose(change.look(shifted, which)[:, 1], before[:, 1] - 2)
    assert torch.allclose(change.look(half, which)[:, 1], (before[:, 1] + 7) / 2)


def test_an_appearance_is_pasted_from_a_particle_or_the_background(found):
    pasted = change.paint_over(found, 0, change.look(found, 2))
    assert differences(found, pasted) == {"feature": [0]}
    assert torch.equal(pasted.feature[:, 0], found.feature[:, 2])
    behind = change.paint_over(found, BACKGROUND, change.look(found, 2))
    assert torch.equal(behind.background, found.feature[:, 2])
    again = change.paint_over(found, 1, change.look(found, BACKGROUND), 0.25)
    wanted = 0.75 * found.feature[:, 1] + 0.25 * found.background
    assert torch.allclose(again.feature[:, 1], wanted)


def test_a_copy_takes_the_next_number_and_is_otherwise_the_same(found):
    copied = change.copy(found, 1, 0.1, 0.2)
    assert differences(found, change.take(copied, [0, 1, 2, 3])) == {}
    own = change.take(copied, [4])
    step = own.position[:, 0] - found.position[:, 1]
    assert torch.allclose(step, step.new_tensor([0.1, 0.2]).expand(2, 2))
    assert differences(change.take(found, [1]), own) == {"position": [0]}
    assert torch.equal(copied.background, found.background)


def test_presence_goes_and_comes_back(found):
    assert differences(found, change.remove(found, 3)) == {"presence": [3]}
    assert change.remove(found, 3).presence[:, 3].tolist() == [0, 0]
    quarter = change.remove(found, 3, 0.25).presence[:, 3]
    assert torch.allclose(quarter, 0.75 * found.presence[:, 3])
    assert change.appear(change.remove(found, 3), 3, 0.5).presence[:, 3].tolist() == [0.5, 0.5]


def test_a_method_without_presence_is_handed_the_others_alone(found):
    bare = found._replace(presence=None)
    kept = change.present(change.remove(change.remove(bare, 1), 2), painted=False)
    assert kept.presence is None
    assert torch.equal(kept.feature, found.feature[:, [0, 3]])
    assert differences(bare, change.present(change.tracked(bare), painted=False)) == {}
    painted = change.present(change.remove(found, 1), painted=True)
    assert painted.position.shape[1] == COUNT and painted.presence[:, 1].tolist() == [0, 0]
    other = change.tracked(bare)
    other = other._replace(
        presence=other.presence.index_put((torch.tensor(0),), torch.zeros(4).double())
    )
    with pytest.raises(ValueError, match="render them apart"):
        change.present(other, painted=False)


def test_size_and_depth(found):
    larger = change.scale(found, 0, 1.5)
    assert differences(found, larger) == {"size": [0]}
    assert torch.allclose(larger.size[:, 0], 1.5 * found.size[:, 0])
    nearer = change.layer(found, 0, 3.0)
    assert differences(found, nearer) == {"depth": [0]}
    assert nearer.depth[:, 0].tolist() == [3.0, 3.0]
    assert torch.allclose(change.layer(found, 0, 3.0, 0.5).depth[:, 0], (found.depth[:, 0] + 3) / 2)


def test_interpolation_meets_both_ends_and_their_middle(found):
    other = Particles(*(None if field is None else field.flip(0) for field in found))
    assert differences(found, change.interpolate(found, other, 0.0)) == {}
    assert differences(other, change.interpolate(found, other, 1.0)) == {}
    for here, there, middle in zip(
        found, other, change.interpolate(found, other, 0.5), strict=True
    ):
        assert torch.allclose(middle, (here + there) / 2)


def test_gradients_pass_through_what_is_changed(found):
    position = found.position.clone().requires_grad_()
    changed = change.copy(change.move(found._replace(position=position), 0, 0.1, 0.1), 0)
    changed.position.sum().backward()
    assert position.grad.tolist() == [[[2, 2], [1, 1], [1, 1], [1, 1]]] * 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda p: change.move(p, 4, 0, 0), "no particle 4: they are 0 to 3"),
        (lambda p: change.move(p, -1, 0, 0), "no particle -1"),
        (lambda p: change.shift(p, 0, 3, 1.0), "no feature 3: they are 0 to 2"),
        (lambda p: change.look(p, "sky"), "or 'background'; got 'sky'"),
        (lambda p: change.look(p._replace(background=None), BACKGROUND), "no features of a back"),
        (lambda p: change.layer(p._replace(depth=None), 0, 1.0), "have no depth"),
        (lambda p: change.interpolate(p, change.copy(p, 0), 0.5), "match their particles first"),
        (lambda p: change.interpolate(p, p._replace(depth=None), 0.5), "have a depth, the other"),
    ],
)
def test_what_is_not_there_is_said(found, wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong(found)
