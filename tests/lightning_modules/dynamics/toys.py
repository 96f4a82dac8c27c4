"""An encoder that sees exactly, and clips of spots that go straight and bounce off the walls."""

import torch

from lightning_modules.interface import Method, Particles
from lightning_modules.layers.points import gaussian_maps, pixel_centres

SPOTS = 3


class SpotEncoder(Method):
    """Channel k of a picture is spot k: its place is the channel's centre of mass."""

    painted_by = ("position",)

    def __init__(self, image_size: int = 32, scale: float = 1.0):
        super().__init__()
        self.save_hyperparameters()
        self.scale = torch.nn.Parameter(torch.tensor(scale))
        self.side = image_size
        self.asked = 0

    def particles(self, image):
        self.asked += len(image)
        mass = image / image.sum((2, 3), keepdim=True).clamp(min=1e-6)
        at = pixel_centres(self.side, like=image)
        position = torch.stack([mass.sum(2) @ at, mass.sum(3) @ at], -1) * self.scale
        looks = torch.eye(SPOTS, device=image.device)[:, :2].expand(len(image), -1, -1)
        return Particles(position, torch.zeros_like(position), torch.ones_like(position), looks)

    def render(self, particles):
        return gaussian_maps(particles.position, self.side, 0.15)


def paths(count, frames, *, seed=0, speed=0.08, wall=0.6):
    """Positions (count, frames, SPOTS, 2) of spots that bounce off walls."""
    generator = torch.Generator().manual_seed(seed)
    at = torch.rand(count, SPOTS, 2, generator=generator) * 2 * wall - wall
    velocity = torch.randn(count, SPOTS, 2, generator=generator)
    velocity = speed * velocity / velocity.norm(dim=-1, keepdim=True)
    found = []
    for _ in range(frames):
        found.append(at)
        velocity = torch.where((at + velocity).abs() > wall, -velocity, velocity)
        at = at + velocity
    return torch.stack(found, 1)


def clips(positions, size=32):
    """Clips (B, T, SPOTS, size, size) of spots at positions."""
    return gaussian_maps(positions.flatten(0, 1), size, 0.15).unflatten(0, positions.shape[:2])
