import pytest
import torch
from sklearn.decomposition import PCA

from lightning_modules.controls.memory import NearestPicture, PicturePCA
from lightning_modules.interface import Codes


def pictures(count, seed):
    """Bytes of a few smooth factors, with decreasing variances."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.randn(6, 3 * 8 * 8, generator=torch.Generator().manual_seed(9))
    scores = torch.randn(count, 6, generator=generator) * torch.tensor([6.0, 5, 4, 3, 2, 1])
    raw = 0.5 + scores @ basis / 80
    return (raw.clamp(0, 1) * 255).round().view(count, 3, 8, 8) / 255


def trained(method, *stages):
    for number, images in enumerate(stages):
        if number:
            method.begin_finetuning()
        for start in range(0, len(images), 7):
            index = torch.arange(start, min(start + 7, len(images)))
            method.training_step({"image": images[index], "index": index}, 0)
        if hasattr(method, "on_train_epoch_end"):
            method.on_train_epoch_end()
    return method


def test_the_nearest_picture_is_one_of_the_last_training():
    first, last = pictures(20, 0), pictures(15, 1)
    method = trained(NearestPicture(8), first, last)
    torch.testing.assert_close(method.reconstruct(last[[3, 8]]), last[[3, 8]])
    distances = torch.cdist(first.flatten(1), last.flatten(1))
    torch.testing.assert_close(method.reconstruct(first), last[distances.argmin(1)])


def test_components_are_those_of_all_trainings():
    first, last = pictures(60, 0), pictures(40, 1)
    torch.manual_seed(0)
    method = trained(PicturePCA(3, 8), first, last)
    every = torch.cat([first, last]).flatten(1).double().numpy()
    known = PCA(3).fit(every)
    wanted = torch.from_numpy(known.inverse_transform(known.transform(every)))
    rebuilt = method.reconstruct(torch.cat([first, last])).flatten(1)
    torch.testing.assert_close(rebuilt.double(), wanted, atol=2e-4, rtol=0)
    code = method.encode(first).what
    torch.testing.assert_close(method.decode(Codes(code, code)), method.reconstruct(first))


def test_grey_pictures_have_components_and_nearest_ones_too():
    grey = pictures(40, 0)[:, :1]
    torch.manual_seed(0)
    method = trained(PicturePCA(6, 8, image_channels=1), grey)
    torch.testing.assert_close(method.reconstruct(grey), grey, atol=0.01, rtol=0)
    assert torch.equal(trained(NearestPicture(8), grey).reconstruct(grey[:3]), grey[:3])


@pytest.mark.parametrize("make", [lambda: NearestPicture(8), lambda: PicturePCA(3, 8)])
def test_a_checkpoint_brings_the_memory_back(make):
    method, checkpoint = trained(make(), pictures(10, 0), pictures(12, 1)), {}
    method.on_save_checkpoint(checkpoint)
    again = make()
    again.on_load_checkpoint(checkpoint)
    for every in (False, True):
        assert torch.equal(
            again.remembered(all_trainings=every, device=torch.device("cpu")),
            method.remembered(all_trainings=every, device=torch.device("cpu")),
        )


def test_a_memory_without_pictures_or_with_too_few_says_so():
    with pytest.raises(RuntimeError, match="NearestPicture has seen no picture"):
        NearestPicture(8).reconstruct(pictures(1, 0))
    with pytest.raises(ValueError, match="5 components need more than 4 pictures"):
        trained(PicturePCA(5, 8), pictures(4, 0))
