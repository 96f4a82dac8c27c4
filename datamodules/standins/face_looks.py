"""From factors to the numbers and colours that the painters use, one set for each face."""

import torch
from torch import Tensor

from datamodules.standins import face_palette as palette
from datamodules.standins.face_expressions import ACTIONS
from datamodules.standins.face_factors import SCENE, TRAITS, FaceFactors

Numbers = dict[str, Tensor]


def named(factors: FaceFactors) -> Numbers:
    """Traits, actions and scene numbers by name, each (B,) float32."""
    tables = ((TRAITS, factors.traits), (ACTIONS, factors.actions), (SCENE, factors.scene))
    return {name: table[:, i] for names, table in tables for i, name in enumerate(names)}


def columns(numbers: Numbers) -> Numbers:
    """Numbers (B,) as (B, 1, 1) and colours (B, 3) as (B, 3, 1, 1), single precision."""
    return {
        name: (value[:, None, None] if value.ndim == 1 else value[..., None, None]).float()
        for name, value in numbers.items()
    }


class _Picked(Numbers):
    def __init__(self, numbers: Numbers, which: slice | Tensor) -> None:
        self._all, self._which = numbers, which

    def __missing__(self, name: str) -> Tensor:
        value = self[name] = self._all[name][self._which]
        return value


def picked(numbers: Numbers, which: slice | Tensor) -> Numbers:
    """The numbers of some faces, each taken out when it is first asked for."""
    return _Picked(numbers, which)


def looks(factors: FaceFactors, pixel: Tensor) -> Numbers:
    """Colours and strengths of the painted features.

    Args:
        factors: B faces.
        pixel: (B,) size of a pixel in head units.

    Returns:
        Numbers (B,) and colours (B, 3).
    """
    c = named(factors)
    tone = c["skin_tone"]
    warm = c["skin_warmth"][:, None] * torch.tensor([0.02, 0.0, -0.03], device=tone.device)
    skin = (palette.shade(palette.SKIN, tone.pow(1.35)) + warm).clamp(0, 1)
    # Dark skin goes with dark hair, and grey hair with any skin.
    hair_place = torch.where(
        c["hair_tone"] > 0.9, c["hair_tone"], c["hair_tone"] * (1 - 0.8 * tone)
    )
    natural = palette.shade(palette.HAIR, hair_place)
    dyed = palette.shade(palette.DYED, c["hair_dyed"])
    hair = torch.where((c["hair_dyed"] > 0)[:, None], dyed, natural)
    made_up = c["makeup"] * (0.35 - c["dimorphism"]).mul(2).clamp(0, 1)
    bearded = (c["dimorphism"] - 0.05).mul(6).clamp(0, 1)
    white = torch.ones_like(skin)
    red = torch.tensor([0.72, 0.16, 0.20], device=skin.device)
    lip = torch.lerp(skin * torch.tensor([0.84, 0.56, 0.54], device=skin.device), red * white, 0.12)
    lip = torch.lerp(lip, red * (0.55 + 0.6 * (1 - tone))[:, None], 0.7 * made_up[:, None])
    brow = torch.lerp(natural * 0.62, torch.tensor([0.10, 0.07, 0.05], device=skin.device), 0.25)
    shadow = skin * torch.tensor([0.62, 0.44, 0.40], device=skin.device)
    glint = factors.light.sign() * 0.02
    iris = palette.shade(palette.IRIS, c["iris"] * (1 - 0.85 * tone))
    return {
        "soft": pixel * 1.15,
        "hair_fine": 0.45 * (1.6 - 32 * pixel).clamp(0.15, 1),
        "crease_width": (pixel * 0.7).clamp(min=0.0115),
        "lash": (0.012 + 0.010 * made_up).maximum(0.42 * pixel),
        "skin": skin,
        "hair": hair,
        "blush": 0.16 + 0.22 * c["blush"] + 0.3 * made_up,
        "fold": 0.16 + 0.45 * torch.maximum(c["smile"], c["nose_wrinkle"]),
        "nose_wrinkle": 0.6 * c["nose_wrinkle"],
        "frown_lines": 0.4 * c["brow_lower"],
        "forehead_lines": 0.3 * torch.maximum(c["brow_raise_inner"], c["brow_raise_outer"]),
        "socket": 0.3 + 0.35 * made_up,
        "bag": 0.18 + 0.2 * c["cheek_raise"],
        "gaze_x": 0.062 * factors.gaze[:, 0],
        "gaze_y": 0.028 * factors.gaze[:, 1] - 0.012,
        "glint_x": glint[:, 0] * 1.2,
        "glint_y": -0.028 * torch.ones_like(tone),
        "teeth": 0.062 + 0 * tone,
        "gloss": 0.1 + 0.35 * made_up,
        "mouth_closed": 0.75 * (1 - 3 * c["mouth_open"]).clamp(0, 1),
        "brow_alpha": 0.72 + 0.1 * c["brow_thickness"].clamp(-2, 2),
        "beard": bearded * c["beard"] * (0.8 + 0.2 * c["beard"]),
        "moustache": bearded * torch.maximum(c["moustache"], c["beard"]),
        "stubble": bearded * c["stubble"] * 0.38,
        "freckles": c["freckles"] * (1 - tone),
        "ear_paint": (factors.yaw.abs() - 15).div(15).clamp(0, 1),
        "colour_blush": skin * torch.tensor([1.0, 0.68, 0.66], device=skin.device),
        "colour_shade": shadow,
        "colour_lid": torch.lerp(
            skin * torch.tensor([0.80, 0.64, 0.62], device=skin.device),
            torch.tensor([0.42, 0.30, 0.36], device=skin.device) * white,
            0.55 * made_up[:, None],
        ),
        "colour_nostril": skin * torch.tensor([0.28, 0.17, 0.15], device=skin.device),
        "colour_sclera": torch.tensor([0.97, 0.95, 0.93], device=skin.device) * white,
        "colour_limbus": iris * 0.35,
        "colour_iris": iris,
        "colour_pupil": white * 0.03,
        "colour_lid_shadow": skin * torch.tensor([0.40, 0.28, 0.26], device=skin.device),
        "colour_glint": white,
        "colour_lash": torch.tensor([0.10, 0.07, 0.06], device=skin.device) * white,
        "colour_brow": brow,
        "colour_mouth": torch.tensor([0.27, 0.06, 0.07], device=skin.device) * white,
        "colour_tongue": torch.tensor([0.78, 0.36, 0.37], device=skin.device) * white,
        "colour_teeth": torch.tensor([0.97, 0.95, 0.91], device=skin.device) * white,
        "colour_lip_upper": lip * 0.9,
        "colour_lip_lower": lip,
        "colour_beard": torch.lerp(natural * 0.75, skin * 0.4, 0.15),
    }


def hair_numbers(factors: FaceFactors) -> Numbers:
    """Cut and texture of the hair, each (B,)."""
    c = named(factors)
    long = (c["hair_length"] - 0.42).div(0.58).clamp(0, 1) * (c["bald"] == 0)
    is_long = (long * 8).clamp(0, 1)
    fringe = c["fringe"] * (c["bald"] == 0)
    front = (
        -0.72
        - 0.12 * (c["fringe"] == 0) * c["hair_wave"]
        - 0.045 * c["hairline"]
        - 0.03 * c["forehead"]
    )
    receding = (c["bald"] > 0) * (0.35 + c["bald"])
    return {
        "hair_front": torch.lerp(front, -0.13 + 0 * front, fringe) - receding,
        "hair_tilt": 0.45 * fringe * c["fringe_sweep"],
        "hair_side": torch.lerp(-0.06 + 0.18 * c["hair_length"] / 0.42, 2.6 + 0 * front, is_long),
        "hair_back": torch.where(c["bald"] > 0.65, -3.0 + 0 * front, 0.5 + 0 * front),
        "hair_near": torch.lerp(0.10 + 0 * front, 0.20 + 0 * front, is_long),
        "hair_jag": 0.03 + 0.05 * fringe + 0.03 * c["hair_curl"],
        "hair_part": 0.32 * c["hair_parting"],
        "hair_lift": 0.7 * (fringe == 0) * (0.3 + 0.7 * c["hair_wave"]) * (c["bald"] == 0),
        "hair_wave": 0.4 + 2.6 * c["hair_wave"],
        "hair_curl": c["hair_curl"],
        "hair_two": 2.0 + 0 * front,
        "hair_phase": 6.28 * c["hair_phase"],
        "hair_shown": (c["bald"] < 0.65).float(),
        "hair_long": is_long,
        "bald": (c["bald"] > 0).float(),
    }
