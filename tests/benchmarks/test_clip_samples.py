"""Which clips figures are drawn of."""

import numpy as np

from benchmarks.clip_samples import ACTED, LONGEST, PEOPLE, Clips, evenly, of_clips
from datamodules.arrays import MemoryRows
from datamodules.clips import ClipDataset, ClipTable, Window

WORDS = {"expression": ("neutral", "anger", "fear", "happiness", "sadness", "surprise")}
NEUTRAL, ANGER, FEAR, HAPPINESS, SADNESS, SURPRISE = range(6)


def dataset(*clips, **labels):
    """A split of clips (person, expression) that show ten times their row, one more a frame."""
    if clips:
        who, kind = np.array(clips).T
        labels = {"identity": who, "expression": kind}
    count = len(next(iter(labels.values())))
    frames = np.zeros((count, 3, 4, 4, 1), np.uint8)
    frames += 10 * np.arange(count, dtype=np.uint8)[:, None, None, None, None]
    frames += np.arange(3, dtype=np.uint8)[:, None, None, None]
    rows = np.arange(count)
    table = ClipTable(3 * rows, np.full(count, 3), [f"c{n}" for n in rows], labels, {"test": rows})
    return ClipDataset(MemoryRows(frames.reshape(-1, 4, 4, 1)), table, rows, Window(3), {})


def shown(found, places):
    """Rows of the split that some of the clips come from."""
    return [int(found.clips[place, 0, 0, 0, 0]) // 10 for place in places]


def test_different_persons_show_different_and_clear_expressions():
    found = of_clips(
        dataset(
            *((1, NEUTRAL), (1, SADNESS), (1, SURPRISE), (2, SURPRISE), (2, FEAR)),
            *((3, HAPPINESS), (3, SURPRISE), (4, NEUTRAL), (5, ANGER), (6, SADNESS)),
        ),
        WORDS,
    )
    assert isinstance(found, Clips) and len(found.people) == PEOPLE
    names = [found.names[place] for place in found.people]
    assert names == [
        "person 1, surprise",
        "person 3, happiness",
        "person 5, anger",
        "person 2, fear",
    ]
    assert shown(found, found.people) == [2, 5, 8, 4]
    clip = found.clips[found.people[0]]
    assert clip.shape == (3, 4, 4, 1) and clip[:, 0, 0, 0].tolist() == [20, 21, 22]


def test_neutral_faces_and_unknown_ones_drive_only_where_there_is_nothing_else():
    acted = dataset((1, NEUTRAL), (2, NEUTRAL), (2, ANGER), (3, -1), (4, ANGER))
    found = of_clips(acted, WORDS)
    # Twice the same expression rather than a neutral face, two persons rather than four.
    assert [found.names[place] for place in found.people] == ["person 2, anger", "person 4, anger"]
    still = of_clips(dataset((1, NEUTRAL), (2, NEUTRAL), (2, NEUTRAL), (3, -1)), WORDS)
    names = [still.names[place] for place in still.people]
    assert sorted(names) == ["person 1, neutral", "person 2, neutral", "person 3"]


def test_one_person_acts_all_expressions_in_their_order():
    found = of_clips(
        dataset(
            *((1, SURPRISE), (1, NEUTRAL), (7, SURPRISE), (7, FEAR), (7, FEAR), (7, NEUTRAL)),
            (2, SADNESS),
        ),
        WORDS,
    )
    assert shown(found, found.acted) == [5, 3, 2]
    # What is shown twice is read, and so inferred, once.
    assert len(found.clips) == len(found.names) == len({*found.people, *found.acted}) == 5
    assert found.names[found.acted[0]] == "person 7, neutral"
    many = of_clips(dataset(*((1, kind) for kind in range(12))), {})
    assert len(many.acted) == ACTED and many.names[many.acted[3]] == "person 1, 3"


def test_without_expressions_persons_and_without_persons_any_clips():
    found = of_clips(dataset(identity=np.array([4, 4, 9, 9])), WORDS)
    assert (found.names, found.acted) == (["no. 4", "no. 9"], [])
    assert shown(found, found.people) == [0, 2]
    found = of_clips(dataset(speed=np.arange(10)), WORDS)
    assert shown(found, found.people) == [0, 3, 6, 9] and found.acted == []
    assert found.names == ["clip 0", "clip 3", "clip 6", "clip 9"]
    assert len(of_clips(dataset(speed=np.arange(2)), {}).people) == 2


def test_figures_act_instead():
    labels = {"identity": np.array([5, 5, 6, 6]), "action": np.array([1, 0, 1, 0])}
    found = of_clips(dataset(**labels), {"action": ("walk", "slash")})
    assert [found.names[place] for place in found.people] == ["no. 5, walk", "no. 6, slash"]
    assert shown(found, found.acted) == [1, 0]
    assert of_clips(dataset(**labels), {}).names[0] == "no. 5, 0"


def test_places_are_spread_evenly():
    assert evenly(60, 8) == [0, 8, 17, 25, 34, 42, 51, 59]
    assert evenly(3, 8) == [0, 1, 2] and evenly(1, 4) == [0]


def frames_of(window, *lengths, words=WORDS, **frame_labels):
    """What is shown of clips, one a person, of so many frames that say their row."""
    length = np.array(lengths)
    frames = np.arange(length.sum(), dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)
    rows = np.arange(len(lengths))
    labels = {"identity": rows}
    names = [f"c{n}" for n in rows]
    table = ClipTable(np.cumsum(length) - length, length, names, labels, {"test": rows})
    split = ClipDataset(MemoryRows(frames), table, rows, Window(window), frame_labels)
    return of_clips(split, words)


def test_the_clip_that_feels_most_is_shown_whole():
    feels = np.zeros((18, 2), np.float32)
    feels[6:13, 0] = [0, 0.5, -0.4, 0.1, 0, 0, 0.2]  # the second clip's seven frames
    feels[13:, 0], feels[:6, 1] = 0.6, np.linspace(-1, 1, 6)  # another's calm, or arousal alone
    found = frames_of(3, 6, 7, 5, valence_arousal=feels).whole
    assert found.name == "no. 1" and found.frames[:, 0, 0, 0].tolist() == list(range(6, 13))
    assert list(found.factors) == ["valence", "arousal"] and found.kinds == []
    np.testing.assert_array_equal(found.factors["valence"], feels[6:13, 0])


def test_of_a_whole_clip_places_are_told_and_actions_named():
    places = np.random.default_rng(0).uniform(-1, 1, (8, 2, 2)).astype(np.float32)
    found = frames_of(2, 4, 4, positions=places).whole
    first = 4 if found.name == "no. 1" else 0
    centre = places[first : first + 4].mean(1)
    np.testing.assert_allclose(found.factors["centre x"], centre[:, 0], rtol=1e-6)
    np.testing.assert_allclose(found.factors["centre y"], centre[:, 1], rtol=1e-6)
    acts = {"action": ("walk", "slash")}
    found = frames_of(2, 4, words=acts, action=np.array([1, 1, 0, 0])).whole
    assert found.kinds == ["slash", "slash", "walk", "walk"] and found.factors == {}
    assert frames_of(2, 4, words=acts, action=np.ones(4, int)).whole.kinds == []


def test_a_very_long_clip_is_thinned_from_its_first_frame_to_its_last():
    found = frames_of(2, 900, valence_arousal=np.arange(1800.0).reshape(900, 2)).whole
    assert len(found.frames) == LONGEST
    assert found.factors["valence"][[0, -1]].tolist() == [0, 1798]
