"""Outputs that break the contract are named, not scored."""

import pytest
import torch

from benchmarks.protocols import clip_codes, reconstruction, resampling, video_prediction
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


class OfClips(Method):
    """Has all that clips are asked for, one of it in another shape."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong = wrong

    def says(self, name, *shape):
        return torch.zeros(*shape[::-1] if name == self.wrong else shape)

    def encode_clip(self, clip):
        return Codes(self.says("encode_clip", *clip.shape[:2], 5), torch.zeros(*clip.shape[:2], 6))

    def clip_field(self, where):
        return self.says("clip_field", *where.shape[:2], 2, 8, 16)

    def decode_clip(self, codes):
        return self.says("decode_clip", *codes.where.shape[:2], 3, 8, 16)

    def draw_where(self, n, frames, generator):
        return torch.zeros(n, frames, 5)

    def draw_what(self, n, frames, generator):
        return torch.zeros(n, frames, 6)

    def predict(self, clip, horizon):
        return self.says("predict", len(clip), horizon, 3, 8, 16)


class OfFields(Method):
    def deformation(self, image):
        return torch.zeros(len(image), 8, 16, 2)


CLIP = torch.rand(4, 13, 3, 8, 16)
ASKED = {
    "encode_clip": lambda method: clip_codes.describe(method, CLIP),
    "clip_field": lambda method: clip_codes.describe(method, CLIP),
    "decode_clip": lambda method: resampling.painted(method, CLIP, torch.Generator()),
    "predict": lambda method: video_prediction.numbers_of(method, CLIP, None, None, None),
}


@pytest.mark.parametrize("wrong", ASKED)
def test_what_is_wrong_of_clips_is_named(wrong):
    assert ASKED[wrong](OfClips("nothing"))
    with pytest.raises(ValueError, match=rf"OfClips\.{wrong}.* gave a tensor of shape"):
        ASKED[wrong](OfClips(wrong))


def test_a_field_has_two_numbers_a_place():
    with pytest.raises(ValueError, match=r"OfFields\.deformation .*\(4, 8, 16, 2\).*\(4, 2, any, "):
        clip_codes.describe_pictures(OfFields(), CLIP[:, 0])
