import torch
from scipy import stats

from lightning_modules.layers.noise import content_key, normal_noise


def test_noise_is_standard_normal_along_rows_and_columns():
    noise = normal_noise(0, torch.arange(400), 7, size=400).double()
    for values in (noise.flatten()[:20000], noise[:, 3], noise[5], noise[:, 399]):
        assert stats.kstest(values, "norm").pvalue > 1e-3
    assert abs(noise.corrcoef().triu(1)).max() < 0.3  # 80,000 pairs of samples: 5.5 deviations
    assert abs(noise.T.corrcoef().triu(1)).max() < 0.3


def test_noise_hangs_on_the_counters_alone():
    whole = normal_noise(3, torch.arange(10), 1, 2, size=7)
    part = normal_noise(3, torch.tensor([8, 2, 8]), 1, 2, size=7)
    assert torch.equal(part, whole[[8, 2, 8]])
    others = [normal_noise(s, torch.arange(10), *c, size=7) for s, c in ((4, (1, 2)), (3, (2, 1)))]
    others += [normal_noise(3, torch.arange(10), 12, size=7), whole.roll(1, 0)]
    assert all((whole - other).abs().min() > 0 for other in others)


def test_rows_of_even_length_are_reproducible():
    a, b = (normal_noise(0, torch.arange(3), size=6) for _ in range(2))
    assert torch.equal(a, b) and a.shape == (3, 6)


def test_a_pictures_key_does_not_hang_on_its_batch():
    image = (torch.rand(5, 3, 8, 8) * 255).round() / 255
    keys = content_key(image)
    assert torch.equal(content_key(image[3:]), keys[3:]) and len(set(keys.tolist())) == 5
    image[0, 0, 0, 0] = 1 - image[0, 0, 0, 0]
    assert content_key(image)[0] != keys[0]
    flipped = image.flip(-1)
    assert (content_key(flipped) != content_key(image)).all()
