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
    """The camera that brings a face to CelebA's mean face the way its pictures are aligned.

    CelebA puts the middle of the eyes in one place, within a pixel, while the eye distance varies
    by 8 %: turn and size fit eyes and mouth corners, and the nose is left out. A jitter of place,
    turn and size stands for its inexact landmarks. With the poses of
    :func:`~datamodules.standins.face_factors.sample_factors` the mean-shape error over these faces
    is that of CelebA pictures labelled by people, each landmark within 0.7 % of the eye distance.

    Args:
        factors: B faces.
        landmarks: (B, 5, 2) of world points in the picture plane.
    """
    mean = torch.tensor(ALIGNED_MEAN, dtype=torch.float64, device=landmarks.device)
    points = landmarks.double()
    corners = [0, 1, 3, 4]
    matrix = _turn_and_scale(points[:, corners], mean[corners].expand(len(points), 4, 2))
    jitter = (
        torch.stack(
            [factors.scene[:, SCENE.index(f"align_{k}")] for k in ("x", "y", "turn", "scale")],
            dim=1,
        ).double()
        * 2
        - 1
    )
    angle, size = 0.03 * jitter[:, 2], torch.exp(0.04 * jitter[:, 3])
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    matrix = size[:, None, None] * turn @ matrix
    place = mean[:2].mean(dim=0) + jitter[:, :2] * torch.tensor([0.8, 1.3], device=mean.device)
    offset = place - _moved(matrix, points[:, :2].mean(dim=1))
    back = torch.linalg.inv(matrix)
    half = torch.tensor(ALIGNED_SIZE, dtype=torch.float64, device=landmarks.device) / 2
    return Camera(back * half, _moved(back, half - 0.5 - offset))


def _moved(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


def _turn_and_scale(source: Tensor, target: Tensor) -> Tensor:
    """Least-squares turn with scale (B, 2, 2) from source to target points (B, L, 2)."""
    s, t = source - source.mean(dim=1, keepdim=True), target - target.mean(dim=1, keepdim=True)
    norm = s.square().sum(dim=(1, 2)).clamp(min=1e-9)
    cosine = (s * t).sum(dim=(1, 2)) / norm
    sine = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(dim=1) / norm
    return torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 2, 2)
