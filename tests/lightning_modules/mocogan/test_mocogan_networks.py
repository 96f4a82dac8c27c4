"""MoCoGAN's networks: sizes of the authors' model, lengths of clips, the category head."""

import pytest
import torch

from lightning_modules.mocogan.discriminators import ClipDiscriminator, PictureDiscriminator
from lightning_modules.mocogan.module import MoCoGAN
from lightning_modules.mocogan.network import ClipGenerator, ClipShape, repeated, settled
from lightning_modules.mocogan.regressor import CodeRegressor

TINY = {"image_size": 16, "channels": (16, 8)}


def count(module):
    return sum(p.numel() for p in module.parameters())


def generator(**more):
    torch.manual_seed(0)
    return ClipGenerator(ClipShape(**TINY, **more))


def test_the_faithful_model_has_the_authors_parameters():
    model = MoCoGAN()
    assert count(model.generator) == 3_298_836
    assert count(model.picture_discriminator) == 663_296
    assert count(model.clip_discriminator) == 11_253_504
    assert model.shape.image_size == 64 and model.shape.what_dim == 56


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_all_networks_fit_any_power_of_two(size):
    channels = tuple(8 for _ in range(size.bit_length() - 3))
    shape = ClipShape(size, 1, 5, 3, 4, channels)
    clip = ClipGenerator(shape)(torch.randn(2, 16, 3), torch.randn(2, 16, 9))
    assert clip.shape == (2, 16, 1, size, size) and clip.min() >= 0 and clip.max() <= 1
    assert PictureDiscriminator(size, 1, 4)(clip[:, 0]).shape == (2, size // 16, size // 16)
    found = ClipDiscriminator(size, 1, 4, categories=4)(clip)
    assert found.real.shape == (2,) and found.category.shape == (2, 4)
    codes = CodeRegressor(shape, width=4, hidden=4)(clip)
    assert [tuple(code.shape) for code in codes] == [(2, 16, 3), (2, 5), (2, 4)]


@pytest.mark.parametrize("size", [8, 48, 100])
@pytest.mark.parametrize("judge", [PictureDiscriminator, ClipDiscriminator])
def test_other_sizes_are_refused(judge, size):
    with pytest.raises(ValueError, match=f"power of two from 16 on, got {size}"):
        judge(size)


def test_frames_of_another_size_are_refused_and_not_judged_in_patches():
    with pytest.raises(ValueError, match=r"frames are \[3, 64, 64\].*made for \[3, 32, 32\]"):
        ClipDiscriminator(32, width=2)(torch.rand(1, 16, 3, 64, 64))
    with pytest.raises(ValueError, match=r"frames are \[1, 16, 16\].*made for \[3, 16, 16\]"):
        PictureDiscriminator(16, width=2)(torch.rand(1, 1, 16, 16))


def test_a_longer_clip_has_the_mean_logit_of_its_stretches():
    torch.manual_seed(0)
    judge, clip = ClipDiscriminator(16, 3, 4, categories=3).eval(), torch.rand(2, 24, 3, 16, 16)
    for frames in (16, 17, 24):
        found = judge(clip[:, :frames])
        apart = [judge(clip[:, n : n + 16]) for n in range(frames - 15)]
        torch.testing.assert_close(found.real, torch.stack([one.real for one in apart]).mean(0))
        torch.testing.assert_close(
            found.category, torch.stack([one.category for one in apart]).mean(0)
        )
        torch.testing.assert_close(found.real[1:], judge(clip[1:, :frames]).real)
    assert found.real[0] != found.real[1]


def test_a_clip_of_15_frames_is_refused():
    with pytest.raises(ValueError, match="16 frames or more, got 15"):
        ClipDiscriminator(16, width=2)(torch.rand(1, 15, 3, 16, 16))


def test_without_categories_there_is_no_head_and_no_code():
    shape = ClipShape(**TINY, categories=0)
    assert shape.what_dim == 50
    content = torch.randn(2, 50)
    assert generator(categories=0).what(content, torch.zeros(2).long()) is content
    assert ClipDiscriminator(16, 3, 2)(torch.rand(1, 16, 3, 16, 16)).category.shape == (1, 0)
    with pytest.raises(ValueError, match="0 for none, or 2 and more, got 1"):
        ClipShape(**TINY, categories=1)
    with pytest.raises(ValueError, match="grow frames of 16 px, image_size is 32"):
        ClipShape(image_size=32, channels=(16, 8))


def test_the_category_stands_behind_the_content():
    what = generator(content_dim=2, categories=3).what(torch.ones(2, 2), torch.tensor([0, 2]))
    assert what.tolist() == [[1, 1, 1, 0, 0], [1, 1, 0, 0, 1]]


def test_a_path_is_the_states_of_a_gru_driven_by_noise():
    model, start, noise = generator(), torch.randn(2, 10), torch.randn(2, 5, 10)
    gru = torch.nn.GRU(10, 10, batch_first=True)
    gru.load_state_dict({f"{k}_l0": v for k, v in model.cell.state_dict().items()})
    path = model.path(start, noise)
    torch.testing.assert_close(path, gru(noise, start[None])[0])
    torch.testing.assert_close(model.path(start, noise[:, :2]), path[:, :2])


def test_every_frame_is_painted_by_itself_from_motion_and_content():
    model, where, what = generator().eval(), torch.randn(2, 5, 10), torch.randn(2, 56)
    clip = model(where, repeated(what, 5))
    torch.testing.assert_close(clip[1, 3], model(where[1:, 3], what[1:])[0])
    swapped = model(where.flip(0), repeated(what, 5))
    assert (swapped - clip).abs().max() > 1e-3


def test_settled_uses_running_statistics_and_puts_the_mode_back():
    model, where, what = generator().train(), torch.randn(3, 2, 10), torch.randn(3, 2, 56)
    with settled(model):
        whole = model(where, what)
        torch.testing.assert_close(model(where[:1], what[:1]), whole[:1])
    assert model.training and model.layers[1].num_batches_tracked == 0
    assert (model(where[:1], what[:1]) - whole[:1]).abs().max() > 0.01
