"""Scenes of things on a plane: how they move, what is seen of them, and what is said of it."""

import numpy as np
import pytest

from datamodules.standins.clevrer_tree import draw_scene
from datamodules.standins.scene_bodies import ball, box, cylinder
from datamodules.standins.scene_camera import Camera
from datamodules.standins.scene_physics import SIZE, half_extents, simulate
from datamodules.standins.scene_render import Look, Thing, render

CAMERA = Camera((0, -9, 6), (0, 0, 0), 96, 64, 1.2)
GREY = (0.7, 0.7, 0.7)
RED = Look((0.7, 0.1, 0.1), metal=False)


def thing(body="sphere", place=(0.0, 0.0), turn=0.0, frames=1, half=(0.5, 0.5, 0.5)):
    return Thing(body, half, RED, np.tile(place, (frames, 1)), np.full(frames, turn))


def test_a_scene_is_a_function_of_seed_and_number():
    one, again, other = simulate(3, 0), simulate(3, 0), simulate(4, 0)
    np.testing.assert_array_equal(one.place, again.place)
    assert one.collisions == again.collisions
    assert one.place.shape != other.place.shape or not np.array_equal(one.place, other.place)


def test_things_come_in_collide_and_never_lie_within_each_other():
    collided, entered = 0, 0
    for number in range(12):
        motion = simulate(number, 0)
        assert 2 <= len(motion.shape) <= 6
        looks = set(zip(motion.shape, motion.material, motion.colour, strict=True))
        assert len(looks) == len(motion.shape)
        away = np.linalg.norm(motion.place[:, :, None] - motion.place[:, None], axis=-1)
        apart = away[:, ~np.eye(len(motion.shape), dtype=bool)]
        assert apart.min() > 2 * 0.8 * SIZE * 0.93  # the engine lets bodies sink in a little
        collided += bool(motion.collisions)
        entered += (np.abs(motion.place[0, :, 0]) > 6).any()
    assert collided >= 10 and entered == 12


def test_nothing_moves_faster_for_a_collision_and_the_plane_slows_it_down():
    motion = simulate(2, 0)
    waiting = (np.abs(motion.place[..., 0]) > 6) & (motion.velocity == 0).all(2)
    started = 1 + np.flatnonzero(waiting.any(1)).max(initial=0)
    energy = (motion.velocity**2).sum((1, 2))
    assert energy[started] > 1 and (energy[started + 1 :] < 1.001 * energy[started:-1]).all()
    hit = motion.collisions[0]
    before, after = motion.velocity[hit.frame - 2], motion.velocity[hit.frame + 1]
    assert np.abs(after - before)[[hit.first, hit.second]].max() > 0.2


def hits(meet, o, d):
    o, d = (tuple(np.float32([[value]])[..., 0] for value in v) for v in (o, d))
    found = meet(o, d)
    return float(found.distance[0]), [float(np.ravel(n)[0]) for n in found.normal]


@pytest.mark.parametrize(
    ("meet", "o", "d", "distance", "normal"),
    [
        (lambda o, d: ball(o, d, 0.5), (0, 0, 3), (0, 0, -1), 2.5, [0, 0, 1]),
        (lambda o, d: ball(o, d, 0.5), (0, 0.6, 3), (0, 0, -1), np.inf, None),
        (lambda o, d: cylinder(o, d, 0.5, 0.4), (0, 0.3, 3), (0, 0, -1), 2.6, [0, 0, 1]),
        (lambda o, d: cylinder(o, d, 0.5, 0.4), (0, -3, 0.3), (0, 1, 0), 2.5, [0, -1, 0]),
        (lambda o, d: cylinder(o, d, 0.5, 0.4), (0, -3, 0.5), (0, 1, 0), np.inf, None),
        (
            lambda o, d: box(o, d, (0.5, 0.5, 0.5), np.float32(0)),
            (0, -3, 0),
            (0, 1, 0),
            2.5,
            [0, -1, 0],
        ),
        # Turned by 45 degrees, an edge is nearest.
        (
            lambda o, d: box(o, d, (0.5, 0.5, 0.5), np.float32(np.pi / 4)),
            (0.1, -3, 0),
            (0, 1, 0),
            3 - (np.sqrt(0.5) - 0.1),
            [np.sqrt(0.5), -np.sqrt(0.5), 0],
        ),
        (
            lambda o, d: box(o, d, (0.5, 0.5, 0.5), np.float32(0)),
            (0.6, -3, 0),
            (0, 1, 0),
            np.inf,
            None,
        ),
    ],
)
def test_rays_meet_bodies_where_geometry_says(meet, o, d, distance, normal):
    found, facing = hits(meet, o, d)
    assert found == pytest.approx(distance, abs=1e-5)
    if normal is not None:
        assert facing == pytest.approx(normal, abs=1e-5)


def test_a_ray_goes_through_the_pixel_that_its_place_is_seen_at():
    places = np.array([[0.3, 0.2, 0.0], [-2, 1.5, 0.7]])
    pixels, far = CAMERA.project(places)
    directions = np.stack(CAMERA.rays(*pixels.T), 1)
    towards = places - np.array(CAMERA.eye)
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    np.testing.assert_allclose(directions, towards, atol=1e-5)
    assert (far > 5).all()


def test_boxes_hold_what_is_seen_and_centres_lie_within():
    seen = render([thing(place=(-1, 0)), thing("box", (1, 0.5), 0.4)], CAMERA, GREY)
    empty = render([thing(place=(60, 0))], CAMERA, GREY)
    changed = np.abs(seen.pictures[0].astype(int) - empty.pictures[0]).max(2) > 25
    reddish = seen.pictures[0, ..., 0].astype(int) - seen.pictures[0, ..., 1] > 25
    assert seen.visible[0].tolist() == [1, 1]
    inside = np.zeros((64, 96), bool)
    for left, top, right, bottom in (seen.box[0] + 1) * [48, 32, 48, 32]:
        inside[round(top - 0.4) : round(bottom + 0.4), round(left - 0.4) : round(right + 0.4)] = (
            True
        )
    assert reddish.sum() > 60 and not (reddish & ~inside).any()
    assert (changed & ~inside).any()  # the shadows
    for (x, y), box_ in zip(seen.centre[0], seen.box[0], strict=True):
        assert box_[0] < x < box_[2] and box_[1] < y < box_[3]


def test_what_stands_in_front_hides_and_the_edge_cuts():
    seen = render(
        [thing(place=(0, 0)), thing(place=(0, -0.9)), thing(place=(4.4, 0))], CAMERA, GREY
    )
    behind, before, cut = seen.visible[0]
    assert before == 1 and 0.3 < behind < 0.9 and 0.05 < cut < 0.95
    gone = render([thing(place=(60, 0))], CAMERA, GREY)
    assert gone.visible[0, 0] == 0 and np.isnan(gone.box).all() and np.isnan(gone.centre).all()


def test_frames_do_not_hang_on_which_are_drawn_together():
    way = np.linspace(-3, 3, 40)
    moving = thing(frames=40)._replace(place=np.stack([way, 0 * way], 1))
    whole = render([moving], CAMERA, GREY)
    assert whole.pictures.shape == (40, 64, 96, 3)
    late = render([moving._replace(place=moving.place[30:], turn=moving.turn[30:])], CAMERA, GREY)
    np.testing.assert_array_equal(whole.pictures[30:], late.pictures)
    np.testing.assert_array_equal(whole.box[30:], late.box)
    assert (np.diff(whole.centre[:, 0, 0]) > 0).all()


def test_a_scene_is_drawn_with_all_its_things():
    motion, seen = draw_scene(5, 48, frames=40)
    assert seen.pictures.shape == (40, 32, 48, 3)
    assert seen.visible.shape == (40, len(motion.shape)) and seen.visible.max() == 1


def test_extents_fit_the_engine():
    assert half_extents("sphere") == (SIZE, SIZE)
    assert half_extents("cube")[0] < half_extents("cylinder")[0] < SIZE
