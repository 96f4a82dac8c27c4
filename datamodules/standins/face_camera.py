"""Where the camera stands: a portrait frame, or CelebA's aligned frame of 178 by 218 pixels."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from datamodules.standins.face_factors import SCENE, FaceFactors

Crop = Literal["portrait", "aligned"]

#: CelebA's aligned frame, width and height in pixels.
ALIGNED_SIZE = (178, 218)

#: Mean eyes, nose tip and mouth corners of aligned CelebA pictures, in pixels.
ALIGNED_MEAN = ((69.5, 111.0), (108.5, 111.0), (89.0, 135.0), (73.0, 152.0), (105.0, 152.0))

_PORTRAIT_CENTRE = (0.0, 0.02)
_PORTRAIT_REACH = 1.5  # half the frame's height in head units


class Camera(NamedTuple):
    """Maps picture coordinates in [-1, 1] to the world plane: ``matrix @ xy + offset``.

    ``matrix`` is (B, 2, 2), ``offset`` (B, 2), both double precision.
    """

    matrix: Tensor
    offset: Tensor

    def project(self, points: Tensor) -> Tensor:
        """World points (B, L, 3) to picture coordinates (B, L, 2)."""
        flat = points[..., :2] - self.offset[:, None]
        seen: Tensor = flat @ torch.linalg.inv(self.matrix).mT
        return seen


def portrait_camera(factors: FaceFactors, aspect: float) -> Camera:
    """A camera on the head, moved by the factors' shift and scale.

    Args:
        factors: B faces.
        aspect: Width of the picture divided by its height.
    """
    reach = _PORTRAIT_REACH / factors.scale.double()
    matrix = torch.diag_embed(torch.stack([reach * aspect, reach], dim=1))
    centre = torch.tensor(_PORTRAIT_CENTRE, dtype=torch.float64, device=reach.device)
    return Camera(matrix, centre - (matrix @ factors.shift.double()[..., None])[..., 0])


def aligned_camera(factors: FaceFactors, landmarks: Tensor) -> Camera:
    """The camera that carries five landmarks to CelebA's mean face, as nearly as a similarity can.

    A small jitter of place, turn and size stands for the inexact alignment of the real pictures.

    Args:
        factors: B faces.
        landmarks: (B, 5, 2) of world points in the picture plane.
    """
    mean = torch.tensor(ALIGNED_MEAN, dtype=torch.float64, device=landmarks.device)
    matrix, offset = _similarity(landmarks.double(), mean.expand(len(landmarks), 5, 2))
    jitter = (
        torch.stack(
            [factors.scene[:, SCENE.index(f"align_{k}")] for k in ("x", "y", "turn", "scale")],
            dim=1,
        ).double()
        * 2
        - 1
    )
    angle, size = 0.035 * jitter[:, 2], torch.exp(0.05 * jitter[:, 3])
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    middle = mean.mean(dim=0)
    turn = turn * size[:, None, None]
    matrix, offset = turn @ matrix, _moved(turn, offset - middle) + middle + 1.6 * jitter[:, :2]
    back = torch.linalg.inv(matrix)
    half = torch.tensor(ALIGNED_SIZE, dtype=torch.float64, device=landmarks.device) / 2
    return Camera(back * half, _moved(back, half - 0.5 - offset))


def _moved(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


def _similarity(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares turn with scale (B, 2, 2) and offset (B, 2) from source to target points."""
    middle_s, middle_t = source.mean(dim=1), target.mean(dim=1)
    s, t = source - middle_s[:, None], target - middle_t[:, None]
    norm = s.square().sum(dim=(1, 2)).clamp(min=1e-9)
    cosine = (s * t).sum(dim=(1, 2)) / norm
    sine = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(dim=1) / norm
    matrix = torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 2, 2)
    return matrix, middle_t - _moved(matrix, middle_s)
