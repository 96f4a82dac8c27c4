"""What scenes of clips hold, of a method whose painting is known."""

import numpy as np
import pytest
import torch

from benchmarks import clip_scenes
from benchmarks.canvas import Sheet
from benchmarks.clip_pictures import FRAMES, draw_clips
from benchmarks.clip_samples import Clips
from benchmarks.clip_scenes import (
    DIMENSIONS,
    DRAWN,
    SHIFTS,
    canonical,
    change,
    encode,
    grids,
    paint,
    reconstructions,
    samples,
    shapes,
    swaps,
)
from benchmarks.films import Scene, clip_tile
from benchmarks.grids import lay_grid
from lightning_modules.interface import Codes, Method
from tests.benchmarks.protocols.fake_clips import SIDE, Entangled, Knows, Repaints

T, SIZE = 9, 16
TITLE = "a cell"


class Bar(Method):
    """*Where* is the height of the left half's level, *what* of the right's: four numbers each.

    Level of a half: the sum of its numbers, the first weighted by 1, the next by 1/2, 1/4, 1/8.
    """

    def __init__(self):
        super().__init__()
        self.encoded = 0
        self.register_buffer("weights", 0.5 ** torch.arange(4.0))

    def encode_clip(self, clip):
        self.encoded += 1
        assert not self.training and not torch.is_grad_enabled()
        return Codes(self._code(clip[..., 0]), self._code(clip[..., -1]))

    def _code(self, column):
        level = column.mean((2, 3))
        return torch.nn.functional.pad(level[..., None], (0, 3))

    def decode_clip(self, codes):
        halves = [(code @ self.weights)[..., None, None, None] for code in codes]
        return torch.cat([half.expand(-1, -1, 3, SIZE, SIZE // 2) for half in halves], 4)


class Moving(Bar):
    """Canonical frames show *what* alone; the field moves all pixels by the first of *where*."""

    def clip_field(self, where):
        field = torch.zeros(*where.shape[:2], 2, SIZE, SIZE)
        field[:, :, 0] = where[..., :1, None] - 0.5
        return field

    def canonical_clip(self, what):
        return self.decode_clip(Codes(what, what))


class Dreams(Bar):
    """Draws codes that say which draw they are of."""

    def draw_where(self, n, frames, generator):
        return self._drawn(0.2 * torch.arange(1, n + 1), frames)

    def draw_what(self, n, frames, generator):
        return self._drawn(0.2 * torch.arange(n), frames)

    def _drawn(self, level, frames):
        return torch.nn.functional.pad(level.view(-1, 1, 1).expand(-1, frames, 1), (0, 3))


def made(left, right):
    """Clips (n, T, SIZE, SIZE, 3) uint8 of levels (n, T) of the left half and the right."""
    halves = [
        np.broadcast_to(x[..., None, None, None], (*x.shape, SIZE, 8, 3)) for x in (left, right)
    ]
    return np.concatenate(halves, 3).astype(np.uint8)


@pytest.fixture(autouse=True)
def _frozen():
    with torch.no_grad():
        yield


@pytest.fixture
def saved(monkeypatch):
    """Scenes and sheets are not written, only their names given back."""
    monkeypatch.setattr(Scene, "save", lambda scene, folder, name, title: [folder / name])
    monkeypatch.setattr(Sheet, "save", lambda sheet, path: path.with_suffix(""))


@pytest.fixture(scope="module")
def shown():
    """Five clips; the left half brightens, each from another level, the right half stands still."""
    time = 10 * np.arange(T)
    left = np.array([20, 40, 60, 80, 100])[:, None] + time
    right = np.array([5, 45, 95, 145, 195])[:, None] + 0 * time
    names = [f"person {n}, joy" for n in range(5)]
    return Clips(made(left, right), names, [0, 1, 2, 3], [4, 1])


def levels(clip):
    """Of both halves of a clip's frames, (T,) each."""
    return clip[:, 0, 0, 0].tolist(), clip[:, 0, -1, 0].tolist()


def names(scene):
    return [name for name, _ in scene.strips]


def test_codes_of_all_clips_are_inferred_once(shown, saved, tmp_path):
    bar = Bar().train()
    with torch.enable_grad():
        files = draw_clips(bar, shown, tmp_path, TITLE)
    assert bar.encoded == 1 and bar.training
    scenes = ("clip-reconstructions", "clip-swaps", "clip-shapes", "clip-swap-matrix")
    assert files == [tmp_path / name for name in scenes]


def test_a_reconstruction_stands_below_its_clip(shown):
    found = encode(Bar().eval(), shown)
    np.testing.assert_array_equal(found.painted, shown.clips)
    scene = reconstructions(found)
    np.testing.assert_array_equal(
        np.stack([clip for _, clip in scene.strips[::2]]), shown.clips[:4]
    )
    np.testing.assert_array_equal(np.stack(scene.film), [shown.clips[:4], found.painted[:4]])
    assert names(scene)[:2] == ["person 0,\njoy", "painted again\nRMSE 0.000"]
    bright = Bar().eval()
    bright.weights[0] = 2.0
    off = reconstructions(encode(bright, shown))
    error = np.sqrt(((np.minimum(2.0 * shown.clips[3], 255) - shown.clips[3]) ** 2).mean()) / 255
    assert off.strips[7][0] == f"painted again\nRMSE {error:.3f}"


def test_a_swap_paints_what_of_one_clip_with_where_of_another(shown):
    scene = swaps(encode(Bar().eval(), shown))
    own = [levels(clip) for clip in shown.clips]
    assert len(scene.strips) == 8
    wanted = [own[0], own[1], (own[1][0], own[0][1]), (own[0][0], own[1][1])]
    assert [levels(clip) for _, clip in scene.strips[:4]] == wanted
    assert names(scene)[2:4] == [
        "what of person 0,\nwhere of person 1",
        "what of person 1,\nwhere of person 0",
    ]
    # The film is the whole matrix: where above, what on the left.
    assert scene.film[0][0] is None and len(scene.film) == len(scene.film[0]) == 5
    for a in range(4):
        np.testing.assert_array_equal(scene.film[0][a + 1], shown.clips[a])
        np.testing.assert_array_equal(scene.film[a + 1][0], shown.clips[a])
        for b in range(4):
            assert levels(scene.film[a + 1][b + 1]) == (own[b][0], own[a][1])


def test_clips_are_painted_few_at_a_time_and_all_the_same(shown, monkeypatch):
    bar = Bar().eval()
    codes = Codes(torch.rand(5, T, 4), torch.rand(5, T, 4))
    whole = paint(bar, codes)
    monkeypatch.setattr(clip_scenes, "_AT_ONCE", 2)
    np.testing.assert_array_equal(paint(bar, codes), whole)
    assert whole.shape == (5, T, SIZE, SIZE, 3) and whole.dtype == np.uint8


def test_a_shape_is_edited_by_the_same_constant_on_all_frames(shown):
    found = encode(Bar().eval(), shown)
    # Numbers of where that vary equally, so that their weights alone say which matter.
    where = found.codes.where.clone()
    where[..., 1:] = where[..., :1] - where[..., :1].mean() + 0.1
    found = clip_scenes.Encoded(found.method, shown, Codes(where, found.codes.what), found.painted)
    scene = shapes(found)
    deviation = where[..., 0].std()
    base = where[0] @ found.method.weights
    assert scene.rows == ["where 0", "where 1", "where 2"] and len(scene.film) == DIMENSIONS
    assert scene.columns == ["-4 sd", "-2 sd", "as it is", "+2 sd", "+4 sd"]
    for row, line in enumerate(scene.film):
        for shift, clip in zip(SHIFTS, line, strict=True):
            wanted = (base + shift * deviation * 0.5**row).clamp(0, 1) * 255
            np.testing.assert_allclose(levels(clip)[0], wanted, atol=1)
            assert levels(clip)[1] == levels(shown.clips[0])[1]
    np.testing.assert_array_equal(scene.strips[1][1], scene.film[0][0])
    np.testing.assert_array_equal(scene.strips[6][1], scene.film[2][4])
    assert names(scene)[:3] == ["as it is,\npainted again", "where 0\n-4 sd", "where 0\n+4 sd"]


def test_how_much_a_direction_changes_a_clip():
    base = Codes(torch.full((1, T, 4), 0.2), torch.zeros(1, T, 4))
    moved = change(Bar(), base, 0.1 * torch.eye(4)[[2, 0, 1]])
    # Half of the pixels move, by twice the direction, from one end to the other.
    torch.testing.assert_close(moved, 0.5 * 0.2 * torch.tensor([0.25, 1.0, 0.5]))


def test_two_numbers_of_where_are_two_rows(shown):
    """As of methods whose where is a place in the plane."""

    class Plane(Bar):
        def encode_clip(self, clip):
            codes = super().encode_clip(clip)
            return Codes(codes.where[..., :2] + 0.01 * torch.arange(2), codes.what)

        def decode_clip(self, codes):
            return super().decode_clip(
                Codes(torch.nn.functional.pad(codes.where, (0, 2)), codes.what)
            )

    found = encode(Plane().eval(), shown)
    assert shapes(found).rows == ["where 0", "where 1"] and swaps(found) is not None


def test_grids_lie_on_the_frames_they_were_found_in(shown):
    found = encode(Moving().eval(), shown)
    scene, before = grids(found), canonical(found)
    tile = clip_tile(shown.clips[0])
    field = found.method.clip_field(found.codes.where)
    # One person's expressions, 4 and 1.
    wanted = [lay_grid(shown.clips[clip], field[clip], tile) for clip in (4, 1)]
    np.testing.assert_array_equal(np.stack([clip for _, clip in scene.strips]), wanted)
    np.testing.assert_array_equal(np.stack(scene.film[1]), wanted)
    assert names(scene) == ["person 4,\njoy", "person 1,\njoy"]
    # Canonical frames have the straight grid, those painted from them the warped one.
    still, warped = before.strips[1][1], before.strips[2][1]
    flat = made(np.full((1, T), 5), np.full((1, T), 5))[0]
    np.testing.assert_array_equal(still, lay_grid(flat, None, tile))
    np.testing.assert_array_equal(warped, lay_grid(found.painted[0], field[0], tile))
    assert names(before)[2:4] == ["warped", "person 1,\njoy"] and len(before.strips) == 6
    alone = Clips(shown.clips, shown.names, shown.people, [])
    assert len(grids(encode(Moving().eval(), alone)).strips) == 4


def test_samples_cross_all_draws_of_both_codes():
    dreams = Dreams().eval()
    scene = samples(dreams, 5)
    assert len(scene.film) == len(scene.film[0]) == DRAWN
    for a, line in enumerate(scene.film):
        for b, clip in enumerate(line):
            assert clip.shape == (5, SIZE, SIZE, 3)
            assert levels(clip) == ([51 * (b + 1)] * 5, [51 * a] * 5)
    name, clip = scene.strips[1]
    assert name == "what 1,\nwhere 2"
    np.testing.assert_array_equal(clip, scene.film[0][1])


def test_where_is_drawn_for_every_what_where_its_prior_hangs_on_it():
    class Given(Dreams):
        def draw_where_given(self, what, frames, generator):
            assert what.shape == (DRAWN**2, 4)
            return self._drawn(what[:, 0] / 2 + 0.1 * (torch.arange(len(what)) % DRAWN), frames)

    scene = samples(Given().eval(), 3)
    assert scene.columns[1] == "draw 2" and scene.rows[1] == "what 2"
    for a, line in enumerate(scene.film):
        for b, clip in enumerate(line):
            left, right = levels(clip)
            assert right == [51 * a] * 3 and left == pytest.approx([25.5 * (a + b)] * 3, abs=1)


def test_draws_are_the_same_every_time():
    first, again = (samples(Repaints(), 6).film for _ in range(2))
    np.testing.assert_array_equal(np.stack(first), np.stack(again))
    assert np.stack(first).std() > 0


def test_a_method_gets_the_scenes_it_can_give(shown, saved, tmp_path):
    assert draw_clips(Method(), shown, tmp_path, TITLE) == []
    assert draw_clips(None, shown, tmp_path, TITLE) == []
    # Codes without a painter.
    assert draw_clips(Knows(), shown, tmp_path, TITLE) == []
    assert draw_clips(Dreams(), None, tmp_path, TITLE) == [tmp_path / "clip-samples"]
    found = encode(Bar().eval(), shown)
    assert grids(found) is None and canonical(found) is None and samples(Bar(), FRAMES) is None


def test_an_entangled_method_is_painted_again_and_no_more(saved, tmp_path):
    class Mirror(Entangled):
        def decode_clip(self, codes):
            half = codes.what.unflatten(2, (2, SIDE, SIDE))
            return torch.cat([half, half[:, :, :1]], 2)

    clips = np.random.default_rng(0).integers(0, 256, (2, 4, SIDE, SIDE, 3), dtype=np.uint8)
    two = Clips(clips, ["clip 0", "clip 7"], [0, 1], [])
    assert draw_clips(Mirror(), two, tmp_path, TITLE) == [tmp_path / "clip-reconstructions"]


def test_one_clip_alone_has_nobody_to_swap_with(shown):
    alone = Clips(shown.clips[:1], shown.names[:1], [0], [0])
    found = encode(Bar().eval(), alone)
    assert swaps(found) is None and shapes(found) is not None
    three = Clips(shown.clips[:3], shown.names[:3], [0, 1, 2], [])
    scene = swaps(encode(Bar().eval(), three))
    assert len(scene.strips) == 4 and len(scene.film) == 4
