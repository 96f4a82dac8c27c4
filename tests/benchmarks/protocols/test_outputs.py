"""Outputs that break the contract are named, not scored."""

import pytest
import torch

from benchmarks.protocols import reconstruction
from benchmarks.protocols.outputs import as_tensor, codes_of, keypoints_of, reconstruction_of
from lightning_modules.interface import Codes, Keypoints, Method

IMAGE = torch.rand(4, 3, 8, 8)


class Says(Method):
    """Gives what it was made with."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def keypoints(self, image):
        return self.found

    def reconstruct(self, image):
        return self.found


def test_what_keeps_the_contract_comes_back_as_it_is():
    good = Keypoints(torch.zeros(4, 5, 2), None)
    assert keypoints_of(Says(good), IMAGE) == good
    slack = Keypoints(torch.full((4, 5, 2), 1.2), torch.zeros(4, 5, 2))
    assert keypoints_of(Says(slack), IMAGE).mean is slack.mean
    codes = Codes(torch.zeros(4, 2, 3), torch.zeros(4, 1))
    assert codes_of(Says(None), "encode", codes, 4) == codes
    assert reconstruction_of(Says(IMAGE), IMAGE) is IMAGE


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Keypoints(torch.zeros(4, 10), None), r"Says.keypoints gave .*\(4, 10\).*\(4, any, 2\)"),
        (Keypoints(torch.zeros(4, 2, 5), None), r"\(4, 2, 5\)"),
        (Keypoints(torch.zeros(3, 5, 2), None), r"\(3, 5, 2\)"),
        (Keypoints(torch.zeros(4, 5, 2), torch.zeros(4, 5)), r"log_variance.*\(4, 5\)"),
        (Keypoints(torch.zeros(4, 5, 2).numpy(), None), "ndarray"),
        (torch.zeros(4, 5, 2), r"gave a Tensor.*Keypoints\(mean, log_variance\)"),
        (Keypoints(torch.full((4, 5, 2), 31.0), None), r"from 31 to 31; .* \[-1, 1\]"),
    ],
)
def test_wrong_keypoints_are_named(found, words):
    with pytest.raises(ValueError, match=words):
        keypoints_of(Says(found), IMAGE)


@pytest.mark.parametrize("found", [torch.zeros(4, 3), (torch.zeros(4, 3),)])
def test_codes_are_a_pair(found):
    with pytest.raises(ValueError, match=r"Says.encode gave a .*Codes\(where, what\)"):
        codes_of(Says(None), "encode", found, 4)


def test_each_code_has_a_row_for_each_picture():
    with pytest.raises(ValueError, match=r"encode, what, gave .*\(3, 2\).*\(4, any, \.\.\.\)"):
        codes_of(Says(None), "encode", Codes(torch.zeros(4, 2), torch.zeros(3, 2)), 4)


def test_a_grey_picture_of_a_coloured_one_is_not_broadcast():
    with pytest.raises(ValueError, match=r"\(4, 1, 8, 8\).*\(4, 3, 8, 8\)"):
        reconstruction_of(Says(IMAGE[:, :1]), IMAGE)
    with pytest.raises(ValueError, match=r"\(4, 3, 8, 8\).*\(4, 3\)"):
        as_tensor(Says(None), "features", IMAGE, 4, 3)


def test_a_method_that_changes_its_input_changes_no_yardstick():
    class Paints(Method):
        def reconstruct(self, image):
            return image.zero_()

    class Data:
        labels = frozenset()

        def eval_dataloader(self, split, batch_size):
            return [{"image": torch.ones(4, 3, 8, 8)}]

        def to_batch(self, loaded, device):
            return loaded

    found = reconstruction.evaluate(Paints(), Data(), device=torch.device("cpu"), seed=0)
    assert found.metrics["msre"] == pytest.approx(3 * 8 * 8)
