"""What a stand-in face is made of: identity, pose, expression, gaze, light and scene.

Each factor is a quantile function applied to one counter-based uniform number, so factors are
independent of each other and face ``i`` of seed ``s`` never changes. Identity traits are addressed
by the identity number, everything else by the picture's index.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from datamodules.standins.counter import uniforms
from datamodules.standins.face_expressions import ACTIONS, EXPRESSIONS, expression_actions

Quantile = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _normal(mean: float, sd: float, limit: float = 2.2) -> Quantile:
    return lambda u: mean + sd * np.clip(ndtri(u), -limit, limit)


def _between(low: float, high: float) -> Quantile:
    return lambda u: low + (high - low) * u


def _rarely(probability: float, low: float, high: float) -> Quantile:
    """Zero with probability ``1 - probability``, otherwise uniform between low and high."""
    return lambda u: np.where(
        u < probability, low + (high - low) * np.minimum(u / probability, 1.0), 0.0
    )


_SHAPE = _normal(0.0, 1.0)
_UNIT = _between(0.0, 1.0)

#: Identity: proportions in standard deviations, everything else in [0, 1] unless said.
TRAITS: dict[str, Quantile] = {
    **dict.fromkeys(
        (
            "face_width",
            "face_length",
            "jaw_width",
            "chin_size",
            "chin_forward",
            "cheek_full",
            "cheekbone",
            "brow_ridge",
            "head_depth",
            "forehead",
            "neck_width",
            "eye_distance",
            "eye_size",
            "eye_tilt",
            "eye_height",
            "nose_length",
            "nose_width",
            "nose_forward",
            "nose_bridge",
            "mouth_width",
            "mouth_height",
            "lip_upper",
            "lip_lower",
            "ear_size",
            "ear_out",
            "brow_thickness",
            "brow_arch",
            "brow_height",
        ),
        _SHAPE,
    ),
    "dimorphism": _between(-1.0, 1.0),  # gates beards (above 0) and make-up (below 0)
    "skin_tone": _UNIT,
    "skin_warmth": _between(-1.0, 1.0),
    "blush": _UNIT,
    "freckles": _rarely(0.2, 0.3, 1.0),
    "iris": _UNIT,
    "makeup": _rarely(0.55, 0.3, 1.0),
    "hair_length": _UNIT,
    "hair_volume": _between(0.05, 1.0),
    "hair_tone": _UNIT,
    "hair_dyed": _rarely(0.07, 0.05, 1.0),
    "hair_wave": _UNIT,
    "hair_curl": _rarely(0.25, 0.3, 1.0),
    "hair_parting": _between(-1.0, 1.0),
    "hairline": _normal(0.0, 1.0),
    "bald": _rarely(0.07, 0.3, 1.0),
    "bun": _rarely(0.15, 0.5, 1.0),
    "fringe": _rarely(0.28, 0.15, 1.0),
    "fringe_sweep": _between(-1.0, 1.0),
    "beard": _rarely(0.55, 0.25, 1.0),
    "moustache": _rarely(0.5, 0.4, 1.0),
    "stubble": _rarely(0.6, 0.1, 1.0),
    "glasses": _rarely(0.16, 0.5, 1.0),
    "glasses_round": _UNIT,
    "glasses_rim": _UNIT,
    "glasses_colour": _UNIT,
}

#: Chance of the picture that is neither pose, expression, gaze nor light; all in [0, 1].
SCENE: tuple[str, ...] = (
    *(f"background_{c}{i}" for i in range(3) for c in "rgb"),
    "gradient_angle",
    "stripe_angle",
    "stripe_frequency",
    "stripe_phase",
    "stripe_strength",
    "marble_angle",
    "marble_frequency",
    "marble_phase",
    "marble_strength",
    *(f"blob{i}_{p}" for i in range(4) for p in ("x", "y", "size", "ratio", "tone", "soft")),
    *(f"blob{i}_{c}" for i in range(4) for c in "rgb"),
    *(f"cloth_{c}" for c in "rgb"),
    "cloth_neck",
    "cloth_pattern",
    "cloth_frequency",
    "body_turn",
    "hair_phase",
    "exposure",
    "contrast",
    "align_x",
    "align_y",
    "align_turn",
    "align_scale",
)

_EXPRESSION_ODDS = {"neutral": 0.3, "happiness": 0.42}  # smiles abound in CelebA; others share


@dataclasses.dataclass(frozen=True)
class FaceFactors:
    """The factors of a batch of faces; every field has the batch as its first axis.

    Args:
        index: (B,) int64, the address the factors were drawn at.
        identity: (B,) int64, who it is; equal identities have equal traits.
        traits: (B, len(TRAITS)) identity traits, columns as in ``TRAITS``.
        yaw: (B,) degrees in [-90, 90]; positive turns the nose to the right of the picture.
        pitch: (B,) degrees; positive looks up.
        roll: (B,) degrees; positive tips the head clockwise in the picture.
        expression: (B,) int64, index into ``EXPRESSIONS``.
        actions: (B, len(ACTIONS)) facial action amounts in [0, 1], columns as in ``ACTIONS``.
        gaze: (B, 2) in [-1, 1], to the right and down.
        light: (B, 3) unit vector from the face to the key light (x right, y down, z to the viewer).
        light_colour: (B, 3) RGB of the key light.
        ambient: (B,) share of light from everywhere, in [0, 1].
        shift: (B, 2) in-plane shift in units of the picture ([-1, 1] is its width and height).
        scale: (B,) magnification, 1 for a head that fills the portrait frame.
        scene: (B, len(SCENE)) uniform numbers for background, clothes and exposure.
    """

    index: Tensor
    identity: Tensor
    traits: Tensor
    yaw: Tensor
    pitch: Tensor
    roll: Tensor
    expression: Tensor
    actions: Tensor
    gaze: Tensor
    light: Tensor
    light_colour: Tensor
    ambient: Tensor
    shift: Tensor
    scale: Tensor
    scene: Tensor

    def __len__(self) -> int:
        """Number of faces B."""
        return len(self.index)

    def __getitem__(self, key: slice | Tensor) -> Self:
        """The faces picked by a slice, index tensor or mask."""
        return self._mapped(lambda value: value[key])

    def to(self, device: torch.device | str) -> Self:
        """The same factors on another device."""
        return self._mapped(lambda value: value.to(device))

    def replace(self, **fields: Any) -> Self:
        """A copy with some fields exchanged; scalars and (1,) tensors spread over the batch."""
        made = {
            name: torch.as_tensor(value, dtype=getattr(self, name).dtype, device=self.index.device)
            .expand_as(getattr(self, name))
            .clone()
            for name, value in fields.items()
        }
        return dataclasses.replace(self, **made)

    def with_traits(self, **traits: float | Tensor) -> Self:
        """A copy with the named identity traits exchanged."""
        return self.replace(traits=_edited(self.traits, tuple(TRAITS), traits))

    def with_scene(self, **scene: float | Tensor) -> Self:
        """A copy with the named scene numbers exchanged."""
        return self.replace(scene=_edited(self.scene, SCENE, scene))

    def with_expression(self, name: str, intensity: float | Tensor = 1.0) -> Self:
        """A copy with the prototype of one expression at an intensity in [0, 1] and no noise."""
        kind = torch.full_like(self.expression, EXPRESSIONS.index(name))
        amount = torch.as_tensor(intensity, dtype=self.yaw.dtype).expand_as(self.yaw)
        return self.replace(expression=kind, actions=expression_actions(kind, amount))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        fields = {f.name: change(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return type(self)(**fields)


def _edited(table: Tensor, names: tuple[str, ...], values: dict[str, float | Tensor]) -> Tensor:
    table = table.clone()
    for name, value in values.items():
        table[:, names.index(name)] = torch.as_tensor(value, dtype=table.dtype)
    return table


def light_direction(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Unit vectors (B, 3) to a light at azimuth (right) and elevation (up), both in degrees."""
    a, e = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    return torch.stack([a.sin() * e.cos(), -e.sin(), a.cos() * e.cos()], dim=-1)


def light_colour(warmth: Tensor) -> Tensor:
    """RGB (B, 3) of a light; above 0 it is warmer than white."""
    return 1.0 + warmth[:, None] * torch.tensor([0.07, 0.0, -0.11])


def light_angles(direction: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth and elevation (B,), in degrees, of what `light_direction` gives, (B, 3)."""
    x, y, z = direction.unbind(-1)
    return torch.rad2deg(torch.atan2(x, z)), torch.rad2deg(torch.asin((-y).clamp(-1, 1)))


def sample_factors(
    index: Tensor | NDArray[np.int64],
    seed: int = 0,
    *,
    identity: Tensor | NDArray[np.int64] | None = None,
    n_identities: int | None = None,
) -> FaceFactors:
    """Draw factors with the statistics of photographs of celebrities.

    Mostly frontal: yaw has a standard deviation of 21 degrees, pitch of 11, roll of 8 (before any
    alignment). Light comes from any side.

    Args:
        index: (B,) addresses of the pictures.
        seed: The data set's seed.
        identity: (B,) who each picture shows. By default drawn from ``n_identities`` persons, or a
            new person for every index when that is not given either.
        n_identities: Number of persons to draw from when ``identity`` is not given.
    """
    where = np.asarray(index, dtype=np.int64)
    if identity is not None:
        who = np.asarray(identity, dtype=np.int64)
    elif n_identities is not None:
        who = (uniforms(seed, where, ["who"])[:, 0] * n_identities).astype(np.int64)
    else:
        who = where
    if who.shape != where.shape:
        raise ValueError(f"identity has shape {who.shape}, index has {where.shape}")
    chances = uniforms(seed, who, [f"trait/{name}" for name in TRAITS])
    traits = np.stack([q(chances[:, i]) for i, q in enumerate(TRAITS.values())], axis=1)

    def draw(name: str, quantile: Quantile) -> Tensor:
        return torch.from_numpy(quantile(uniforms(seed, where, [name])[:, 0])).float()

    kind = _drawn_expression(uniforms(seed, where, ["expression"])[:, 0])
    actions = expression_actions(kind, draw("intensity", _between(0.45, 1.0)))
    stray = torch.from_numpy(uniforms(seed, where, [f"action/{name}" for name in ACTIONS]))
    actions = (actions + 0.22 * stray.float().pow(2)).clamp(0, 1)
    warmth = draw("light/warmth", _normal(0.0, 0.5))
    return FaceFactors(
        index=torch.from_numpy(where.copy()),
        identity=torch.from_numpy(who.copy()),
        traits=torch.from_numpy(traits).float(),
        yaw=draw("yaw", _normal(0.0, 21.5, 2.8)),
        pitch=draw("pitch", _normal(0.0, 10.7, 2.8)),
        roll=draw("roll", _normal(0.0, 8.0, 2.5)),
        expression=kind,
        actions=actions,
        gaze=torch.stack(
            [draw("gaze/x", _normal(0.0, 0.4)), draw("gaze/y", _normal(0.05, 0.25))], 1
        ).clamp(-1, 1),
        light=light_direction(
            draw("light/azimuth", _normal(0.0, 45.0, 2.2)),
            draw("light/elevation", _normal(28.0, 20.0, 2.2)),
        ),
        light_colour=light_colour(warmth),
        ambient=draw("light/ambient", _between(0.36, 0.7)),
        shift=torch.stack(
            [draw("shift/x", _normal(0, 0.08)), draw("shift/y", _normal(0, 0.06))], 1
        ),
        scale=torch.exp(draw("scale", _normal(0.0, 0.09))),
        scene=torch.from_numpy(uniforms(seed, where, [f"scene/{name}" for name in SCENE])).float(),
    )


def _drawn_expression(u: NDArray[np.float64]) -> Tensor:
    others = (1.0 - sum(_EXPRESSION_ODDS.values())) / (len(EXPRESSIONS) - len(_EXPRESSION_ODDS))
    odds = np.array([_EXPRESSION_ODDS.get(name, others) for name in EXPRESSIONS])
    return torch.from_numpy(np.searchsorted(np.cumsum(odds)[:-1], u).astype(np.int64))
