import pytest
import torch

from lightning_modules.terms import loss_terms


def test_terms_come_back_as_they_are():
    terms = {"loss": torch.ones(()), "kl": torch.zeros(())}
    assert loss_terms(None, terms) is terms


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (torch.ones(()), "returned a Tensor"),
        (None, "returned a NoneType"),
        ({"total": torch.ones(())}, "returned {'total': 'Tensor'}"),
        ({"loss": torch.ones(()), "weight": 0.5}, "'weight': 'float'"),
    ],
)
def test_what_breaks_the_contract_is_named(found, words):
    with pytest.raises(TypeError, match=f"object.losses has to return a dict.*{words}"):
        loss_terms(object(), found)
