"""How near a painted picture is to the one it paints: squared error, SSIM and LPIPS, a picture.

SSIM (Wang et al. 2004) and LPIPS (Zhang et al. 2018, with VGG16) are torchmetrics'. It brings
LPIPS's linear layers; VGG16 itself is the user's file, that of the perceptual loss
(`lightning_modules.layers.perceptual`), for nothing is downloaded. Where it is not given, there is
no LPIPS.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure as ssim_of

# Private, for the public metric downloads VGG16: this takes the weights that are given.
from torchmetrics.functional.image.lpips import _NoTrainLpips

from lightning_modules.layers.perceptual import MissingWeightsError, vgg_weights_path

Array = np.ndarray


def lpips_network(weights: Path | None = None) -> nn.Module | None:
    """LPIPS with the user's VGG16, or None where no file is named.

    Args:
        weights: state dict of torchvision's ``vgg16``; None asks the environment.

    Raises:
        MissingWeightsError: the file that is named does not exist, or holds something else.
    """
    path = weights or vgg_weights_path()
    if path is None:
        return None
    if not path.is_file():
        raise MissingWeightsError(f"{path}: no such file of VGG16 weights, wanted for LPIPS")
    state = torch.load(path, map_location="cpu", weights_only=True)
    if "features.28.weight" not in state:
        raise MissingWeightsError(f"{path} holds no VGG16 convolutions")
    network = _NoTrainLpips(pretrained=True, net="vgg", pnet_rand=True)
    backbone = network.net.state_dict()
    try:
        # ``slice2.5.weight`` is torchvision's ``features.5.weight``.
        found = {key: state[f"features.{key.partition('.')[2]}"] for key in backbone}
        network.net.load_state_dict(found)
    except (KeyError, RuntimeError) as error:
        raise MissingWeightsError(f"{path} holds no VGG16 convolutions: {error}") from error
    return network


def fidelity(rebuilt: Tensor, image: Tensor, lpips: nn.Module | None) -> dict[str, Array]:
    """Numbers of every picture.

    Args:
        rebuilt: (B, C, H, W); values may leave [0, 1].
        image: (B, C, H, W) in [0, 1]; at least 11 px a side.
        lpips: as `lpips_network` gives it.

    Returns:
        ``mse`` (B,), of the picture as it is painted; ``ssim`` and, of coloured pictures and with
        a network, ``lpips`` (B,), of the picture clipped to [0, 1].
    """
    found = {"mse": (rebuilt.double() - image.double()).square().flatten(1).mean(1)}
    clipped = rebuilt.clamp(0, 1).to(image.dtype)
    similar = ssim_of(clipped, image, data_range=1.0, reduction="none")
    assert isinstance(similar, Tensor)
    found["ssim"] = similar.reshape(-1)
    if lpips is not None and image.shape[1] == 3:
        found["lpips"] = lpips(clipped, image, normalize=True).reshape(-1)
    return {name: value.double().cpu().numpy() for name, value in found.items()}


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio of a mean squared error, dB."""
    return float(-10 * np.log10(mse))
