"""A method from outside the suite: where a picture is bright."""

import torch

from lightning_modules.interface import Keypoints, Method


class Brightness(Method):
    """One keypoint, the centre of brightness, with a gain that training may change."""

    def __init__(self, image_size: int = 16, gain: float = 1.0):
        super().__init__()
        self.save_hyperparameters()
        self.gain = torch.nn.Parameter(torch.tensor(gain))

    def losses(self, batch):
        return {"loss": (self.keypoints(batch["image"]).mean ** 2).sum((1, 2)).mean()}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def keypoints(self, image):
        weight = image.mean(1)
        total = weight.sum((1, 2))
        centres = (torch.arange(image.shape[-1]) * 2 + 1) / image.shape[-1] - 1
        x = (weight.sum(1) * centres).sum(1) / total
        y = (weight.sum(2) * centres).sum(1) / total
        return Keypoints(self.gain * torch.stack([x, y], -1)[:, None], None)
