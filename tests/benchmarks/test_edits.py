"""Edits as data, applied to a picture of soft discs, and painted again."""

import json

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from benchmarks.cli_looking import EDIT_HELP
from benchmarks.edit_pictures import draw_strip, marked, scene
from benchmarks.editor import REST, STEPS, Editor
from benchmarks.edits import KINDS, Copy, Move, as_data, parse_edit, read_script, usage
from benchmarks.matching import Other, meet
from lightning_modules.particles import remove, take, tracked
from tests.particle_painter import ParticlePainter

SIZE = 32
SENTENCES = [
    "move 2 0.1 -0.6",
    "place 0 0.25 0.25",
    "recolour 1 2 0.8",
    "shift background 0 0.3",
    "paste 0 1",
    "copy 0 0.6 0",
    "scale 1 1.5",
    "depth 0 5",
    "presence 2 0.5",
    "remove 1",
]


@pytest.fixture
def editor():
    return opened()


def opened(other=None, **settings):
    image = torch.full((1, 3, SIZE, SIZE), 0.4)
    return Editor(ParticlePainter(**settings).eval(), image, other)


def picture(editor, *sentences):
    return editor.paint([parse_edit(sentence) for sentence in sentences])[1]


def near(editor, sentences, number, reach):
    """Pixels within ``reach`` of where a particle is after the edits, (H, W) bool."""
    particles = editor.apply([parse_edit(sentence) for sentence in sentences])
    centres = (torch.arange(SIZE) * 2 + 1) / SIZE - 1
    x, y = particles.position[0, number].tolist()
    return ((centres[None] - x).abs() < reach) & ((centres[:, None] - y).abs() < reach)


def test_pixels_change_where_a_particle_leaves_and_where_it_comes_and_nowhere_else(editor):
    before, after = picture(editor), picture(editor, "move 2 0.1 -0.6")
    changed = (before != after).any(1)[0]
    left, come = near(editor, [], 2, 0.22), near(editor, ["move 2 0.1 -0.6"], 2, 0.22)
    assert not (changed & ~(left | come)).any()
    assert changed[left].float().mean() > 0.5 and changed[come].float().mean() > 0.5
    assert not (left & come).any()


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_edit_changes_the_picture_and_is_undone_to_the_last_bit(editor, sentence):
    covered = "place 0 0 0.4"  # by particle 2, or depth would have nothing to change
    before = picture(editor, covered)
    assert not torch.equal(picture(editor, covered, sentence), before)
    assert torch.equal(picture(editor, covered), before)


def test_an_edit_in_part_starts_at_nothing_and_ends_at_all(editor):
    for sentence in SENTENCES:
        edit = parse_edit(sentence)
        if edit.edit == "copy":
            continue  # from its first moment there is one particle more
        start, end = editor.apply([edit], 0.0), editor.apply([edit], 1.0)
        for was, begun, ended, whole in zip(
            editor.original, start, end, edit.apply(editor.original), strict=True
        ):
            assert was is None or (torch.equal(was, begun) and torch.equal(ended, whole))


def test_a_copy_looks_like_its_original_and_a_removed_one_is_gone(editor):
    copied = picture(editor, "copy 1 -0.25 0.75", "remove 1")
    moved = picture(editor, "move 1 -0.25 0.75")
    assert torch.allclose(copied, moved, atol=1e-6)
    assert torch.equal(picture(editor, "copy 1 0.5 0.5", "remove 3"), picture(editor))


def test_numbers_stay_when_a_particle_is_removed_from_a_method_without_presence():
    editor = opened(presence=False)
    one = picture(editor, "remove 0", "move 2 0.1 0")
    other = picture(editor, "move 2 0.1 0", "remove 0")
    assert torch.equal(one, other) and not torch.equal(one, picture(editor, "remove 0"))


def test_what_comes_from_another_picture(editor):
    dark, bright = opened(), opened(torch.ones(1, 3, SIZE, SIZE))
    there = Editor(bright.method, torch.ones(1, 3, SIZE, SIZE))
    assert torch.equal(picture(bright, "interpolate"), picture(there))
    half = bright.apply([parse_edit("interpolate 0.5")]).position
    assert torch.allclose(half, (bright.original.position + there.original.position) / 2)
    assert torch.equal(picture(bright, "paste 0 1 other"), picture(dark, "paste 0 1"))
    with pytest.raises(ValueError, match=r"'interpolate': there is no other picture; give one"):
        picture(editor, "interpolate")


def test_partners_are_near_and_alike_and_numbers_stay(editor):
    particles = editor.original
    turned = take(particles, [2, 0, 1])
    first, second = meet(particles, Other(turned, numbered=False))
    assert torch.equal(first.position, particles.position)
    assert torch.equal(second.position, particles.position)
    assert meet(particles, Other(turned, numbered=True))[1] is turned


@pytest.mark.parametrize("kept", [[0, 2], [1], [2, 1, 0]])
def test_who_has_no_partner_fades(editor, kept):
    particles = editor.original
    fewer = take(particles, kept)
    first, second = meet(particles, Other(fewer, numbered=False))
    assert torch.equal(second.position, particles.position)
    wanted = torch.tensor([[float(number in kept) for number in range(3)]])
    assert torch.equal(second.presence, wanted) and torch.equal(first.presence, torch.ones(1, 3))
    first, second = meet(fewer, Other(particles, numbered=False))
    assert torch.equal(first.position[:, : len(kept)], fewer.position)
    assert first.presence.sum() == len(kept) and second.presence.sum() == 3
    assert torch.equal(first.position, second.position)


def test_partners_cost_least_in_all():
    draw = torch.Generator().manual_seed(3)
    editor = opened()
    wild = tracked(take(editor.original, [0, 1, 2, 0, 1, 2]))
    here = wild._replace(position=torch.rand(1, 6, 2, generator=draw) * 2 - 1)
    there = wild._replace(position=torch.rand(1, 6, 2, generator=draw) * 2 - 1)
    alike = {"feature": torch.zeros(1, 6, 3)}
    _, second = meet(here._replace(**alike), Other(there._replace(**alike), numbered=False))
    distance = torch.cdist(here.position[0], there.position[0]).square().numpy()
    rows, columns = linear_sum_assignment(distance)
    found = (here.position - second.position).square().sum()
    assert float(found) == pytest.approx(distance[rows, columns].sum(), rel=1e-5)


def test_edits_are_read_from_sentences_and_from_json(tmp_path):
    edits = [parse_edit(sentence) for sentence in SENTENCES]
    assert edits[0] == Move(particle=2, dx=0.1, dy=-0.6)
    assert [str(edit) for edit in edits[:4]] == SENTENCES[:4]
    script = tmp_path / "edits.json"
    script.write_text(json.dumps(as_data(edits)))
    assert read_script(script) == edits
    assert [parse_edit(str(edit)) for edit in edits] == edits


def test_the_help_tells_how_every_edit_is_written():
    lines = [line.rstrip(" ") for line in EDIT_HELP.splitlines()]
    told = lines[lines.index("\b") + 1 :]
    assert [line for line in told if line] == [usage(kind) for kind in KINDS.values()]


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("mvoe 3 0.2 -0.1", "no edit is called 'mvoe'; did you mean move"),
        ("", "no edit is called ''; known: move, place"),
        ("move 3 0.2", r"move.dy: Field required; it is written move PARTICLE DX DY"),
        ("move 3 0.2 0.1 0.4", "too many words; it is written 'move PARTICLE DX DY'"),
        ("move three 0.2 0.1", "move.particle: Input should be a valid integer"),
        ("move -1 0.2 0.1", "greater than or equal to 0"),
        ("move 1 nan 0.1", "finite number"),
        ("scale 1 0", "greater than 0"),
        ("presence 1 1.5", "less than or equal to 1"),
        ("paste 1 2 that", "Input should be 'this' or 'other'"),
    ],
)
def test_what_is_no_edit_is_said(sentence, message):
    with pytest.raises(ValueError, match=message):
        parse_edit(sentence)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"edit": "move"}', "list"),
        ('[{"edit": "jump"}]', "0: Input tag 'jump'"),
        ('[{"edit": "remove", "particle": 1}, {"edit": "remove"}]', "1.remove.particle: Field"),
        ('[{"edit": "remove", "particle": 1, "at": 2}]', "0.remove.at: Extra inputs"),
        ("[", "not valid JSON"),
    ],
)
def test_a_wrong_script_is_said(tmp_path, text, message):
    script = tmp_path / "edits.json"
    script.write_text(text)
    with pytest.raises(ValueError, match=f"(?s)edits.json.*{message}"):
        read_script(script)


def test_what_cannot_be_painted_is_said(editor):
    for sentence, message in {
        "move 7 0 0": "'move 7 0 0': there is no particle 7: they are 0 to 2",
        "shift 1 3 1": "'shift 1 3 1': there is no feature 3",
    }.items():
        with pytest.raises(ValueError, match=message):
            picture(editor, sentence)
    bare = opened(presence=False, fixed=True)
    for sentence, message in {
        "depth 1 2": "changes the depth of particles, and ParticlePainter paints by position, ",
        "presence 1 0.5": "changes the presence",
        "remove 1": "'remove 1': paints 3 particles, got 2",
        "copy 1 0 0": "'copy 1 0 0': paints 3 particles, got 4",
    }.items():
        with pytest.raises(ValueError, match=message):
            picture(bare, sentence)
    with pytest.raises(ValueError, match="Linear takes no picture apart into particles"):
        Editor(torch.nn.Linear(1, 1), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"one picture \(1, C, H, W\) is edited"):
        Editor(bare.method, torch.zeros(2, 3, 8, 8))


def test_a_film_goes_from_rest_to_rest(editor):
    edits = [parse_edit("move 2 0.1 -0.6"), parse_edit("remove 0")]
    film = list(editor.film(edits))
    assert len(film) == REST + 2 * (STEPS - 1 + REST + 1)
    assert [under_way for *_, under_way in film] == [0] * (REST + STEPS + REST) + [1] * (
        STEPS + REST
    )
    heights = [float(particles.position[0, 2, 1]) for particles, *_ in film]
    assert (np.diff(heights) <= 1e-7).all() and heights[0] - heights[-1] == pytest.approx(0.6)
    for place, done in ((0, 0), (REST + STEPS, 1), (-1, 2)):
        assert torch.equal(film[place][1], editor.paint(edits[:done])[1])
    middle = film[REST + STEPS // 2 - 1]
    assert float(middle[0].position[0, 2, 1]) == pytest.approx(heights[0] - 0.3, abs=1e-6)


def test_many_edits_make_no_longer_a_film(editor):
    assert len(list(editor.film([Move(particle=0, dx=0.0, dy=0.0)] * 60))) < 60 * 12


def test_marks_stand_on_particles_and_the_changed_one_is_orange(editor):
    grey = np.full((256, 256, 3), 90, np.uint8)
    edits = [Copy(particle=0, dx=0.8, dy=0.9)]
    particles = editor.apply(edits)
    made = marked(grey, particles, edits[0], lambda found: np.full(4, 6.0))
    at = ((particles.position[0] + 1) / 2 * 256).round().int().tolist()
    assert [tuple(made[y, x].tolist()) for x, y in at] == [(255, 255, 255)] * 3 + [(230, 159, 0)]
    gone = marked(grey, remove(particles, 3), None, lambda found: np.full(4, 6.0))
    assert gone[at[3][1], at[3][0]].tolist() == [90, 90, 90]


def test_a_strip_and_a_film_show_what_was_done(editor):
    image = np.full((SIZE, SIZE, 3), 102, np.uint8)
    edits = [parse_edit(sentence) for sentence in SENTENCES[:7]]
    sheet = draw_strip(editor, edits, image, "the method")
    words = [text.get_text() for text in sheet.figure.texts]
    assert words[2:] == ["picture", "painted again", *SENTENCES[:7]]
    pixels = sheet.pixels()
    left, top, width, height = sheet.box(2, 2)  # the 9th picture: six a line
    tile = pixels[top : top + height, left : left + width]
    after = picture(editor, *SENTENCES[:7])[0]
    shown = tile[4::8, 4::8] / 255
    assert np.abs(shown - after.permute(1, 2, 0).numpy()).mean() < 0.02
    film = scene(editor, edits[:1], image)
    assert [clip.shape for clip in film.film[0]] == [(REST + STEPS + REST, 256, 256, 3)] * 3


def test_another_picture_is_shown_beside_the_first():
    editor = opened(torch.ones(1, 3, SIZE, SIZE))
    edits = [parse_edit("interpolate")]
    image, other = np.full((SIZE, SIZE, 3), 102, np.uint8), np.full((SIZE, SIZE, 3), 255, np.uint8)
    words = [text.get_text() for text in draw_strip(editor, edits, image, "", other).figure.texts]
    assert words[2:] == ["picture", "other picture", "painted again", "interpolate"]
    film = scene(editor, edits, image, other)
    assert film.columns == ["picture", "other picture", "painted", "particles"]
    assert (film.film[0][1] == 255).all() and film.rows == ["interpolate"]
