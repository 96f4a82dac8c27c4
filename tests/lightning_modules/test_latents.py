import io

import pytest
import torch

from lightning_modules.latents import CodeBank


def test_first_codes_hang_on_the_sample_alone():
    a, b = CodeBank(6, seed=1), CodeBank(6, seed=1)
    late = a.read(torch.tensor([40, 3]))
    for index in ([3], [0, 1], [40]):
        b.read(torch.tensor(index))
    assert torch.equal(late, b.read(torch.tensor([40, 3])))
    many = CodeBank(6).read(torch.arange(3000))
    assert many.mean().abs() < 0.03 and abs(many.std() - 1) < 0.03
    assert not torch.equal(CodeBank(6, seed=2).read(torch.tensor([40, 3])), late)


def test_written_codes_stay_and_others_do_not_move():
    bank = CodeBank(3)
    before = bank.read(torch.arange(10))
    bank.write(torch.tensor([7, 2]), torch.tensor([[7.0] * 3, [2.0] * 3]))
    after = bank.read(torch.arange(10))
    assert after[7].tolist() == [7.0] * 3 and after[2].tolist() == [2.0] * 3
    rest = [i for i in range(10) if i not in (2, 7)]
    assert torch.equal(after[rest], before[rest])


def test_of_the_same_sample_twice_the_last_is_kept():
    bank = CodeBank(1)
    bank.write(torch.tensor([1, 0, 1]), torch.tensor([[1.0], [2.0], [3.0]]))
    assert bank.read(torch.tensor([0, 1])).tolist() == [[2.0], [3.0]]


def test_a_checkpoint_of_tensors_brings_everything_back():
    bank = CodeBank(4, seed=5)
    bank.write(torch.tensor([9]), torch.ones(1, 4))
    file = io.BytesIO()
    torch.save(bank.state(), file)
    file.seek(0)
    other = CodeBank(4, seed=5)
    other.load(torch.load(file, weights_only=True))
    assert torch.equal(other.read(torch.arange(12)), bank.read(torch.arange(12)))
    bank.clear()
    assert not torch.equal(bank.read(torch.tensor([9])), torch.ones(1, 4))


def test_codes_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"shape \[10, 4\], this model's have 5 numbers"):
        CodeBank(5).load({"codes": torch.zeros(10, 4)})
