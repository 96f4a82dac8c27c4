import torch

from datamodules.standins.face_expressions import (
    ACTIONS,
    EXPRESSIONS,
    affect_actions,
    expression_actions,
    valence_arousal,
)


def _prototypes(intensity: float) -> torch.Tensor:
    kinds = torch.arange(len(EXPRESSIONS))
    return expression_actions(kinds, torch.full((len(EXPRESSIONS),), intensity))


def test_prototypes_are_amounts_and_scale_with_intensity():
    full = _prototypes(1.0)
    assert full.shape == (7, len(ACTIONS))
    assert full.min() >= 0 and full.max() <= 1
    assert full[0].abs().max() == 0  # neutral does nothing
    torch.testing.assert_close(_prototypes(0.5), full / 2)
    # All pairs of expressions differ clearly.
    assert torch.pdist(full).min() > 0.8


def test_valence_and_arousal_of_the_basic_expressions():
    place = dict(zip(EXPRESSIONS, valence_arousal(_prototypes(1.0)).tolist(), strict=True))
    assert place["neutral"] == [0.0, 0.0]
    for name, (valence, arousal) in {
        "anger": (-0.62, 0.66),
        "disgust": (-0.7, 0.34),
        "fear": (-0.5, 0.8),
        "happiness": (0.85, 0.4),
        "sadness": (-0.72, -0.38),
        "surprise": (0.16, 0.82),
    }.items():
        torch.testing.assert_close(place[name], [valence, arousal], atol=1e-4, rtol=0)


def test_each_half_of_each_axis_has_muscles_of_its_own():
    corners = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 0.0]])
    actions = affect_actions(corners)
    assert actions.min() >= 0 and actions.max() <= 1
    assert actions[-1].abs().max() == 0
    assert ((actions > 0).sum(dim=0) <= 1).all()
    strongest = [ACTIONS[k] for k in actions[:4].argmax(dim=1).tolist()]
    assert strongest == ["smile", "eye_wide", "frown", "eye_close"]
    # So that what one axis does can be seen whatever the other does.
    mixed = affect_actions(torch.tensor([[0.5, -0.8]]))
    torch.testing.assert_close(mixed, 0.5 * actions[:1] + 0.8 * actions[3:4])


def test_an_observer_reads_the_plane_off_the_actions():
    generator = torch.Generator().manual_seed(0)
    points = 2 * torch.rand(500, 2, generator=generator) - 1
    read = valence_arousal(affect_actions(points))
    for axis in range(2):
        both = torch.corrcoef(torch.stack([points[:, axis], read[:, axis]]))[0, 1]
        assert both > 0.8
