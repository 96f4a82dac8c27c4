import numpy as np
import pytest
import torch

from datamodules.standins.face_factors import SCENE, TRAITS
from datamodules.standins.faces import (
    ACTIONS,
    FaceFactors,
    expression_actions,
    face_landmarks,
    light_direction,
    render_faces,
    sample_factors,
)


def plain(count: int, first: int = 0, seed: int = 0) -> FaceFactors:
    """Upright frontal faces with neither hair, beard nor glasses in the way."""
    factors = sample_factors(torch.arange(first, first + count), seed)
    factors = factors.replace(yaw=0.0, pitch=0.0, roll=0.0, shift=0.0, scale=1.0, gaze=0.0)
    factors = factors.replace(light=torch.tensor([[0.0, -0.3, 0.95]]), ambient=0.6)
    factors = factors.with_expression("neutral")
    return factors.with_traits(
        fringe=0, glasses=0, beard=0, moustache=0, stubble=0, hair_length=0.1, makeup=0, freckles=0
    )


def pixels(points: torch.Tensor, size: int) -> torch.Tensor:
    return (points + 1) * size / 2 - 0.5


def colour_at(images: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Colours (B, L, 3) at points (B, L, 2) in [-1, 1]."""
    grid = points[:, :, None]
    seen = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    return seen[..., 0].mT


# --- determinism ------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "crop"), [(64, "portrait"), ((109, 89), "aligned")])
def test_a_face_is_the_same_in_any_batch(size, crop):
    whole = sample_factors(torch.arange(40), seed=5)
    images = render_faces(whole, size, crop=crop)
    marks = face_landmarks(whole, size, crop=crop, count=68)
    for index in ([0], [39], [7, 31], [20, 3, 11]):
        some = sample_factors(torch.tensor(index), seed=5)
        assert (render_faces(some, size, crop=crop) - images[index]).abs().max() <= 1 / 255
        torch.testing.assert_close(
            face_landmarks(some, size, crop=crop, count=68), marks[index], atol=1e-6, rtol=0
        )


def test_threads_change_nothing():
    factors = sample_factors(torch.arange(60), 0)
    before = torch.get_num_threads()
    try:
        pictures = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            pictures.append(render_faces(factors, 64, dtype=torch.uint8))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*pictures)


def test_factors_hang_on_seed_and_index_alone_and_slice_like_tensors():
    whole = sample_factors(torch.arange(50), seed=1)
    part = sample_factors(torch.tensor([44, 2]), seed=1)
    for name in ("traits", "yaw", "actions", "light", "scene", "scale"):
        torch.testing.assert_close(
            getattr(part, name), getattr(whole[torch.tensor([44, 2])], name), atol=0, rtol=0
        )
    assert not torch.allclose(sample_factors(torch.arange(50), seed=2).yaw, whole.yaw)


def test_identity_fixes_the_traits_and_nothing_else():
    factors = sample_factors(torch.arange(6), 0, identity=np.array([4, 4, 4, 9, 9, 4]))
    assert torch.equal(factors.traits[0], factors.traits[5])
    assert not torch.equal(factors.traits[0], factors.traits[3])
    assert len(torch.unique(factors.yaw)) == 6
    drawn = sample_factors(torch.arange(3000), 0, n_identities=30)
    assert sorted(set(drawn.identity.tolist())) == list(range(30))


# --- statistics -------------------------------------------------------------------------------


def test_factors_have_the_spread_of_photographs():
    factors = sample_factors(torch.arange(20_000), 0)
    assert 20 < factors.yaw.std() < 23
    assert 10 < factors.pitch.std() < 11.5
    assert factors.yaw.abs().max() < 90
    torch.testing.assert_close(factors.light.norm(dim=1), torch.ones(20_000))
    from_left = (factors.light[:, 0] < -0.5).float().mean()
    from_right = (factors.light[:, 0] > 0.5).float().mean()
    assert from_left > 0.1 and from_right > 0.1
    assert factors.actions.min() >= 0 and factors.actions.max() <= 1
    counts = torch.bincount(factors.expression, minlength=7)
    assert counts.min() > 500


def test_factors_are_independent_of_each_other():
    f = sample_factors(torch.arange(20_000), 0)
    columns = torch.cat(
        [
            f.traits,
            torch.stack([f.yaw, f.pitch, f.roll, f.ambient, f.scale], dim=1),
            torch.nn.functional.one_hot(f.expression).float()[:, 1:],
            f.gaze,
            f.light[:, :2],
            f.shift,
            f.light_colour[:, :1],
            f.scene,
        ],
        dim=1,
    ).double()
    correlation = torch.corrcoef(columns.T)
    correlation.fill_diagonal_(0)
    first = len(TRAITS) + 5
    correlation[first : first + 6, first : first + 6] = 0  # classes exclude one another
    assert correlation.abs().max() < 0.04  # 0.007 is one standard error


# --- pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "crop", "shape"),
    [(64, "portrait", (64, 64)), (33, "portrait", (33, 33)), ((218, 178), "aligned", (218, 178))],
)
def test_shapes_and_ranges(size, crop, shape):
    factors = sample_factors(torch.arange(3), 0)
    images = render_faces(factors, size, crop=crop)
    assert images.shape == (3, 3, *shape) and images.dtype == torch.float32
    assert images.min() >= 0 and images.max() <= 1
    whole = render_faces(factors, size, crop=crop, dtype=torch.uint8)
    assert whole.dtype == torch.uint8
    assert (whole.float() / 255 - images).abs().max() <= 0.5 / 255 + 1e-6
    assert face_landmarks(factors, size, crop=crop).shape == (3, 5, 2)
    assert face_landmarks(factors, size, crop=crop, count=68).shape == (3, 68, 2)


def test_wild_factors_give_finite_pictures():
    factors = sample_factors(torch.arange(12), 0).replace(
        yaw=torch.linspace(-90, 90, 12), pitch=40.0, roll=60.0
    )
    factors = factors.replace(traits=factors.traits * 1.5, scale=2.5)
    for crop in ("portrait", "aligned"):
        assert torch.isfinite(render_faces(factors, 48, crop=crop)).all()
    assert render_faces(factors[:0], 48).shape == (0, 3, 48, 48)


def test_pictures_vary_everywhere_and_between_faces():
    images = render_faces(sample_factors(torch.arange(64), 0), 64)
    assert images.std(dim=0).min() > 0.05
    corner = images[:, :, :16, :16]
    assert corner.flatten(1).std(dim=1).median() > 0.02  # no constant background


def test_bad_arguments_are_named():
    factors = sample_factors(torch.arange(1), 0)
    with pytest.raises(ValueError, match="sideways"):
        render_faces(factors, 32, crop="sideways")
    with pytest.raises(ValueError, match="float16"):
        render_faces(factors, 32, dtype=torch.float16)
    with pytest.raises(ValueError, match="4 by 4"):
        render_faces(factors, 4)
    with pytest.raises(ValueError, match="21"):
        face_landmarks(factors, 32, count=21)
    with pytest.raises(ValueError, match="identity"):
        sample_factors(torch.arange(3), 0, identity=np.array([1]))


# --- landmarks on features --------------------------------------------------------------------


def test_eye_landmarks_lie_on_the_eyes():
    factors = plain(24).with_traits(skin_tone=0.2, iris=0.0)
    images = render_faces(factors, 160)
    marks = face_landmarks(factors, 160)
    iris = colour_at(images, marks[:, :2]).mean(dim=-1)
    beside = colour_at(images, marks[:, :2] + torch.tensor([0.0, 0.16])).mean(dim=-1)
    assert (iris < 0.6 * beside).float().mean() > 0.95
    # The two corners enclose the eye's white: it is the brightest, least coloured place there.
    points = face_landmarks(factors, 160, count=68)
    for inner, outer in ((39, 36), (42, 45)):
        white = colour_at(images, torch.lerp(points[:, inner], points[:, outer], 0.15)[:, None])
        skin = colour_at(images, marks[:, :1] + torch.tensor([0.0, 0.16]))
        chroma = (white.amax(-1) - white.amin(-1), skin.amax(-1) - skin.amin(-1))
        assert (chroma[0] < chroma[1]).float().mean() > 0.9


def test_moving_only_the_gaze_changes_only_the_eyes():
    factors = plain(8)
    left = render_faces(factors.replace(gaze=torch.tensor([[-1.0, 0.0]])), 128)
    right = render_faces(factors.replace(gaze=torch.tensor([[1.0, 0.0]])), 128)
    changed = (left - right).abs().amax(dim=1) > 0.02
    points = pixels(face_landmarks(factors, 128, count=68), 128)
    for i in range(8):
        y, x = torch.nonzero(changed[i], as_tuple=True)
        assert len(y) > 20
        box = points[i, 36:48]
        assert x.min() >= box[:, 0].min() - 2 and x.max() <= box[:, 0].max() + 2
        assert y.min() >= box[:, 1].min() - 2 and y.max() <= box[:, 1].max() + 2


def test_lips_are_redder_inside_the_lip_landmarks():
    factors = plain(24).with_traits(skin_tone=0.2)
    images = render_faces(factors, 160)
    points = face_landmarks(factors, 160, count=68)
    lower_lip = colour_at(images, 0.5 * (points[:, 57:58] + points[:, 66:67]))
    chin = colour_at(images, torch.lerp(points[:, 57:58], points[:, 8:9], 0.6))
    red = [c[..., 0] / (c.sum(dim=-1) + 1e-6) for c in (lower_lip, chin)]
    assert (red[0] > red[1] + 0.01).float().mean() > 0.95


def test_the_68_points_contain_the_five():
    factors = sample_factors(torch.arange(64), 3)
    five, many = (face_landmarks(factors, 64, count=count) for count in (5, 68))
    torch.testing.assert_close(many[:, 30], five[:, 2])
    torch.testing.assert_close(many[:, 48], five[:, 3], atol=2e-3, rtol=0)
    torch.testing.assert_close(many[:, 54], five[:, 4], atol=2e-3, rtol=0)
    span = (five[:, 0] - five[:, 1]).norm(dim=1)
    for side, eye in ((slice(36, 42), 0), (slice(42, 48), 1)):
        off = (many[:, side].mean(dim=1) - five[:, eye]).norm(dim=1)
        assert (off / span).median() < 0.08
    frontal = face_landmarks(plain(16), 64, count=68)
    jaw = frontal[:, :17]
    assert (jaw[:, 5:13, 0] > jaw[:, 4:12, 0]).all()  # left to right along the chin
    assert (jaw[:, 1:9, 1] > jaw[:, :8, 1]).all()  # and down to the chin
    assert (jaw[:, 8, 1] >= jaw[..., 1].amax(dim=1) - 1e-3).all()  # the chin is lowest
    torch.testing.assert_close(jaw[..., 0], -jaw.flip(1)[..., 0], atol=1e-5, rtol=0)


# --- factors do what they say -----------------------------------------------------------------


def test_a_smile_widens_the_mouth_and_lifts_its_corners():
    before = face_landmarks(plain(16), 64)
    after = face_landmarks(plain(16).with_expression("happiness"), 64)
    assert (after[:, 4, 0] - after[:, 3, 0] > before[:, 4, 0] - before[:, 3, 0] + 0.03).all()
    assert (after[:, 3:, 1] < before[:, 3:, 1]).all()
    sad = face_landmarks(plain(16).with_expression("sadness"), 64)
    assert (sad[:, 3:, 1] > before[:, 3:, 1]).all()


def test_surprise_opens_the_mouth_and_raises_the_brows():
    before = face_landmarks(plain(16), 64, count=68)
    after = face_landmarks(plain(16).with_expression("surprise"), 64, count=68)
    gap = [points[:, 66, 1] - points[:, 62, 1] for points in (before, after)]
    assert (gap[1] > gap[0] + 0.1).all()
    assert (after[:, 17:27, 1] < before[:, 17:27, 1]).all()
    assert (after[:, 8, 1] > before[:, 8, 1] + 0.05).all()  # the jaw drops


def test_yaw_moves_the_nose_across_and_pitch_up():
    straight = face_landmarks(plain(8), 64)
    right = face_landmarks(plain(8).replace(yaw=30.0), 64)
    up = face_landmarks(plain(8).replace(pitch=20.0), 64)
    middle = [points[:, :2].mean(dim=1) for points in (straight, right, up)]
    assert ((right[:, 2] - middle[1])[:, 0] > (straight[:, 2] - middle[0])[:, 0] + 0.06).all()
    assert ((up[:, 2] - middle[2])[:, 1] < (straight[:, 2] - middle[0])[:, 1] - 0.03).all()
    tipped = face_landmarks(plain(8).replace(roll=20.0), 64)
    assert (tipped[:, 1, 1] > tipped[:, 0, 1] + 0.1).all()  # clockwise: the right eye sinks


def test_projection_is_a_rotation():
    # Foreshortening by the cosine: the eyes' distance at 60 degrees is half of the frontal one.
    frontal, turned = (face_landmarks(plain(8).replace(yaw=y), 64) for y in (0.0, 60.0))
    ratio = (turned[:, 1, 0] - turned[:, 0, 0]) / (frontal[:, 1, 0] - frontal[:, 0, 0])
    torch.testing.assert_close(ratio, torch.full((8,), 0.5), atol=1e-4, rtol=0)


def test_a_profile_hides_the_far_eye():
    factors = plain(12).replace(yaw=75.0)  # the nose points right: the right eye is far
    looks = [render_faces(factors.replace(gaze=torch.tensor([[0.0, g]])), 96) for g in (-1.0, 1.0)]
    changed = (looks[0] - looks[1]).abs().amax(dim=1)
    marks = pixels(face_landmarks(factors, 96), 96)
    x = torch.arange(96)[None, None, :]
    far_side = x > (0.5 * (marks[:, 0, 0] + marks[:, 1, 0]) + 3)[:, None, None]
    near_change = (changed * ~far_side).flatten(1).sum(dim=1)
    far_change = (changed * far_side).flatten(1).sum(dim=1)
    assert (near_change > 0.5).all()
    assert far_change.mean() < 0.25 * near_change.mean()


def test_light_brightens_its_own_side():
    factors = plain(12).with_traits(skin_tone=0.3).replace(ambient=0.36)
    halves = []
    for azimuth in (-60.0, 60.0):
        light = light_direction(torch.tensor([azimuth]), torch.tensor([15.0]))
        images = render_faces(factors.replace(light=light), 64)
        points = face_landmarks(factors, 64, count=68)
        left = colour_at(images, torch.lerp(points[:, 3], points[:, 48], 0.5)[:, None]).mean()
        right = colour_at(images, torch.lerp(points[:, 13], points[:, 54], 0.5)[:, None]).mean()
        halves.append((left, right))
    assert halves[0][0] > 1.3 * halves[0][1]
    assert halves[1][1] > 1.3 * halves[1][0]


def test_glasses_beard_and_fringe_show():
    factors = plain(6)
    base = render_faces(factors, 64)
    for traits, least in (
        ({"glasses": 0.9}, 0.004),
        ({"beard": 1.0, "dimorphism": 0.9}, 0.006),
        ({"fringe": 1.0}, 0.006),
        ({"hair_length": 0.95}, 0.02),
    ):
        changed = (render_faces(factors.with_traits(**traits), 64) - base).abs()
        assert changed.mean() > least, traits


def test_shift_and_scale_move_picture_and_landmarks_together():
    factors = plain(4)
    moved = factors.replace(shift=torch.tensor([[0.25, -0.125]]))
    still, there = face_landmarks(factors, 64), face_landmarks(moved, 64)
    torch.testing.assert_close(there - still, torch.tensor([0.25, -0.125]).expand_as(still))
    apart = [face_landmarks(factors.replace(scale=s), 64) for s in (1.0, 1.2)]
    ratio = (apart[1][:, 1] - apart[1][:, 0])[:, 0] / (apart[0][:, 1] - apart[0][:, 0])[:, 0]
    torch.testing.assert_close(ratio, torch.full((4,), 1.2))


# --- alignment --------------------------------------------------------------------------------


def test_aligned_faces_spread_like_the_real_ones():
    """Against 220 CelebA pictures labelled by people, in % of the mean eye distance."""
    factors = sample_factors(torch.arange(2000), 0)
    half = torch.tensor([89.0, 109.0])
    marks = (face_landmarks(factors, (218, 178), crop="aligned") + 1) * half - 0.5
    mean = marks.mean(dim=0)
    apart = (marks[:, 0] - marks[:, 1]).norm(dim=1)
    error = 100 * ((marks - mean).norm(dim=2) / apart[:, None]).mean(dim=0)
    genuine_error = torch.tensor([4.3, 4.2, 18.3, 8.3, 8.7])
    assert (error - genuine_error).abs().max() < 1.0
    middle = marks[:, :2].mean(dim=1).std(dim=0) / apart.mean() * 100
    assert (middle - torch.tensor([1.2, 2.0])).abs().max() < 0.3
    assert 100 * apart.std() / apart.mean() == pytest.approx(8.3, abs=1.0)
    genuine = torch.tensor(
        [[69.5, 111.0], [108.5, 111.0], [89.0, 135.0], [73.0, 152.0], [105.0, 152.0]]
    )
    assert (mean - genuine).norm(dim=1).max() < 3.0


def test_alignment_undoes_roll_shift_and_scale():
    factors = sample_factors(torch.arange(8), 0)
    wild = factors.replace(shift=0.4, scale=1.7)
    torch.testing.assert_close(
        face_landmarks(wild, (218, 178), crop="aligned"),
        face_landmarks(factors, (218, 178), crop="aligned"),
    )
    tipped = face_landmarks(factors.replace(roll=25.0), (218, 178), crop="aligned")
    upright = face_landmarks(factors.replace(roll=0.0), (218, 178), crop="aligned")
    torch.testing.assert_close(tipped, upright, atol=1e-5, rtol=0)


def test_tables_have_the_columns_they_name():
    factors = sample_factors(torch.arange(2), 0)
    assert factors.traits.shape == (2, len(TRAITS))
    assert factors.scene.shape == (2, len(SCENE))
    assert factors.actions.shape == (2, len(ACTIONS))
    edited = factors.with_traits(bald=0.5).with_scene(exposure=0.25)
    assert edited.traits[:, list(TRAITS).index("bald")].tolist() == [0.5, 0.5]
    assert edited.scene[:, SCENE.index("exposure")].tolist() == [0.25, 0.25]
    assert torch.equal(
        factors.with_expression("fear", 0.5).actions,
        expression_actions(torch.tensor([3, 3]), torch.tensor([0.5, 0.5])),
    )
