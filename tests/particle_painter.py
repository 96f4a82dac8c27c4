"""A method that finds nothing and paints particles as soft discs: what tests edit."""

import torch

from lightning_modules.interface import Method, Particles

START = {
    "position": [[-0.5, -0.5], [0.5, -0.4], [0.0, 0.5]],
    "log_variance": [[-4.0, -4.0], [-6.0, -6.0], [-5.0, -5.0]],
    "size": [[0.4, 0.4], [0.5, 0.3], [0.4, 0.4]],
    "feature": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
}


class ParticlePainter(Method):
    """Three discs in the primary colours, moved by how bright the picture is.

    A disc ends where its size says, so that nothing outside of it can change. Without
    ``presence`` it paints any number of particles all alike; with ``fixed`` only three.
    """

    def __init__(self, image_size: int = 32, presence: bool = True, fixed: bool = False):
        super().__init__()
        self.save_hyperparameters()
        self.gain = torch.nn.Parameter(torch.ones(()))
        self.painted_by = ("position", "size", "feature", "background")
        if presence:
            self.painted_by += ("presence", "depth")

    def particles(self, image):
        count, bright = len(image), image.mean((1, 2, 3)).view(-1, 1, 1)
        found = {
            name: image.new_tensor(values).expand(count, -1, -1) for name, values in START.items()
        }
        found["position"] = found["position"] + 0.1 * bright
        if self.hparams["presence"]:
            found["presence"] = image.new_ones(count, 3)
            found["depth"] = image.new_tensor([0.0, 1.0, 2.0]).expand(count, -1)
        return Particles(**found, background=image.new_full((count, 3), 0.2))

    def render(self, particles):
        count, k = particles.position.shape[:2]
        if self.hparams["fixed"] and k != 3:
            raise ValueError(f"paints 3 particles, got {k}")
        size = self.hparams["image_size"]
        centres = (torch.arange(size, device=particles.position.device) * 2 + 1) / size - 1
        x = (centres - particles.position[..., :1]) / particles.size[..., :1] * 2
        y = (centres - particles.position[..., 1:]) / particles.size[..., 1:] * 2
        alpha = (1 - x.square().unsqueeze(-2) - y.square().unsqueeze(-1)).clamp(0, 1).sqrt()
        if particles.presence is not None:
            alpha = alpha * particles.presence[..., None, None]
        depth = particles.depth
        if depth is None:
            depth = torch.arange(k, device=alpha.device).expand(count, -1)
        image = particles.background[..., None, None].expand(-1, -1, size, size)
        for place in depth.argsort(1).unbind(1):  # the farthest first
            rows = torch.arange(count, device=alpha.device)
            cover = alpha[rows, place].unsqueeze(1)
            image = (1 - cover) * image + cover * particles.feature[rows, place, :, None, None]
        return self.gain * image

    def configure_optimizers(self):
        return None
