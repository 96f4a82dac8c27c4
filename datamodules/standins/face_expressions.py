"""Expressions of a stand-in face: action amounts, the six basic ones, valence and arousal.

The actions follow the facial action coding system in spirit (Ekman and Friesen, 1978); the
prototypes combine them as the EMFACS tables do, and each prototype has its customary place in the
plane of valence and arousal (Russell, "A circumplex model of affect", 1980).
"""

import torch
from torch import Tensor

#: Facial actions, each an amount in [0, 1].
ACTIONS: tuple[str, ...] = (
    "brow_raise_inner",
    "brow_raise_outer",
    "brow_lower",
    "eye_wide",
    "eye_squint",
    "eye_close",
    "cheek_raise",
    "nose_wrinkle",
    "upper_lip_raise",
    "smile",
    "frown",
    "mouth_open",
    "lip_stretch",
    "lip_press",
    "lip_pucker",
)

EXPRESSIONS: tuple[str, ...] = (
    "neutral",
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
)

_PROTOTYPES: dict[str, dict[str, float]] = {
    "neutral": {},
    "anger": {"brow_lower": 1.0, "eye_wide": 0.35, "eye_squint": 0.35, "lip_press": 0.9}
    | {"frown": 0.35, "nose_wrinkle": 0.2},
    "disgust": {"nose_wrinkle": 1.0, "upper_lip_raise": 0.9, "brow_lower": 0.55}
    | {"eye_squint": 0.6, "frown": 0.4, "cheek_raise": 0.3},
    "fear": {"brow_raise_inner": 1.0, "brow_raise_outer": 0.45, "brow_lower": 0.35}
    | {"eye_wide": 1.0, "lip_stretch": 0.9, "mouth_open": 0.4},
    "happiness": {"smile": 1.0, "cheek_raise": 0.9, "eye_squint": 0.25, "mouth_open": 0.28},
    "sadness": {"brow_raise_inner": 0.9, "brow_lower": 0.2, "frown": 1.0, "eye_close": 0.28}
    | {"lip_press": 0.25},
    "surprise": {"brow_raise_inner": 1.0, "brow_raise_outer": 1.0, "eye_wide": 0.9}
    | {"mouth_open": 0.95, "lip_pucker": 0.35},
}

#: Valence and arousal of each prototype at full intensity, both in [-1, 1].
_AFFECT: dict[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "anger": (-0.62, 0.66),
    "disgust": (-0.7, 0.34),
    "fear": (-0.5, 0.8),
    "happiness": (0.85, 0.4),
    "sadness": (-0.72, -0.38),
    "surprise": (0.16, 0.82),
}

# What full positive valence, full arousal, full negative valence and full calm do.
_HALVES: tuple[dict[str, float], ...] = (
    {"smile": 1.0, "cheek_raise": 0.8},
    {"eye_wide": 1.0, "brow_raise_inner": 0.5, "brow_raise_outer": 0.7, "mouth_open": 0.7},
    {"frown": 1.0, "brow_lower": 0.75, "nose_wrinkle": 0.35, "lip_press": 0.3},
    {"eye_close": 0.85},
)


def _prototype_table() -> Tensor:
    rows = [[_PROTOTYPES[e].get(a, 0.0) for a in ACTIONS] for e in EXPRESSIONS]
    return torch.tensor(rows, dtype=torch.float32)


def expression_actions(expression: Tensor, intensity: Tensor) -> Tensor:
    """Action amounts of an expression.

    Args:
        expression: (B,) int64, indices into ``EXPRESSIONS``.
        intensity: (B,) in [0, 1]; 0 is the neutral face.

    Returns:
        (B, len(ACTIONS)) amounts in [0, 1].
    """
    return _prototype_table().to(expression.device)[expression] * intensity[:, None]


def affect_actions(valence_arousal: Tensor) -> Tensor:
    """Action amounts for points of the valence-arousal plane, so that a still shows both.

    Each half of each axis has muscles of its own, and amounts grow in proportion: valence moves
    the mouth's corners, the brows and the cheeks, arousal opens eyes and mouth and lifts the
    brows, or lets the lids fall. The origin is the neutral face. The prototypes above would not
    do: they fill one half of the plane, and where one axis ends hangs on the other.

    Args:
        valence_arousal: (B, 2) in [-1, 1].

    Returns:
        (B, len(ACTIONS)) amounts in [0, 1].
    """
    halves = torch.cat([valence_arousal.clamp(min=0), (-valence_arousal).clamp(min=0)], dim=1)
    table = torch.tensor([[half.get(a, 0.0) for a in ACTIONS] for half in _HALVES])
    amounts: Tensor = (halves @ table.to(halves)).clamp(0, 1)
    return amounts


def valence_arousal(actions: Tensor) -> Tensor:
    """Valence and arousal an observer would read off action amounts.

    A linear read-out through the pseudo-inverse of the prototypes, so that every prototype at
    intensity a lands at a times its own place in the plane.

    Args:
        actions: (B, len(ACTIONS)) amounts in [0, 1].

    Returns:
        (B, 2) valence and arousal, clipped to [-1, 1].
    """
    table = _prototype_table()[1:].double()
    affect = torch.tensor([_AFFECT[e] for e in EXPRESSIONS[1:]], dtype=torch.float64)
    ridge = table @ table.T + 1e-9 * torch.eye(len(table), dtype=torch.float64)
    weights = table.T @ torch.linalg.solve(ridge, affect)
    place: Tensor = (actions.double() @ weights.to(actions.device)).clamp(-1, 1)
    return place.to(actions.dtype)
