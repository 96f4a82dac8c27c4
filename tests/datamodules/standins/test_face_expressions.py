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


def test_actions_from_the_plane_lead_back_to_it():
    points = torch.tensor([[0.85, 0.4], [-0.62, 0.66], [-0.72, -0.38], [0.1, 0.6], [0.0, 0.0]])
    actions = affect_actions(points)
    assert actions.min() >= 0 and actions.max() <= 1
    assert actions[-1].abs().max() == 0
    read = valence_arousal(actions)
    assert (read - points).norm(dim=1).max() < 0.4
    assert actions[0, ACTIONS.index("smile")] > 0.7
    assert actions[2, ACTIONS.index("frown")] > 0.7


def test_the_map_from_the_plane_is_continuous():
    angle = torch.linspace(0, 2 * torch.pi, 721)
    ring = affect_actions(0.8 * torch.stack([angle.cos(), angle.sin()], dim=1))
    assert (ring[1:] - ring[:-1]).abs().max() < 0.03
