"""The discriminator of Experiment 3 (Xing et al. 2022, 5.3); its network is not in the paper."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from lightning_modules.layers.deconv import START

_SLOPE = 0.2
_WIDEST = 8


class Discriminator(nn.Module):
    """Picture -> logit, above 0 for what it holds to be a real picture.

    Convolutions of 4 x 4 with stride 2 halve the picture down to 4 x 4, a leaky ReLU of slope 0.2
    after each, and a linear layer sums up: DCGAN's discriminator (Radford et al., ICLR 2016)
    without its batch normalisation, for the gradient penalty is of every picture apart. Weights are
    drawn by He's rule.

    Args:
        image_size: side of the picture, pixels, a power of two from 8 on.
        image_channels: 3 for colour, 1 for grey.
        width: channels after the first convolution; every further one doubles them, up to eight
            times as many.

    Shapes: (B, image_channels, S, S) in [0, 1] -> (B,).

    Raises:
        ValueError: for another size.
    """

    def __init__(self, image_size: int, image_channels: int = 3, width: int = 32) -> None:
        super().__init__()
        halvings = (image_size // START).bit_length() - 1
        if halvings < 1 or START * 2**halvings != image_size:
            raise ValueError(f"image_size must be a power of two from 8 on, got {image_size}")
        widths = [width * min(2**n, _WIDEST) for n in range(halvings)]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise([image_channels, *widths]):
            layers += [
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1),
                nn.LeakyReLU(_SLOPE),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * START**2, 1))
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of pictures."""
        logits: Tensor = self.layers(2 * image - 1)
        return logits.squeeze(1)


def gradient_penalty(logits: Tensor, image: Tensor) -> Tensor:
    """R1 (Mescheder et al., ICML 2018, eq. 9): mean squared length of a logit's gradient.

    Args:
        logits: (B,), each of the picture in its place.
        image: (B, C, S, S) that they were computed from, with gradients.

    Returns:
        The mean over pictures, which can be differentiated again.
    """
    (slope,) = torch.autograd.grad(logits.sum(), image, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()
