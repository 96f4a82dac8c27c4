"""What tests of several methods share."""

import pytest
import torch
from torchvision.models import vgg16


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory):
    """A file with VGG16's real layout; the weights are random, the losses do not care."""
    torch.manual_seed(0)
    state = {k: v for k, v in vgg16(weights=None).state_dict().items() if "features." in k}
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pt"
    torch.save(state, path)
    return path
