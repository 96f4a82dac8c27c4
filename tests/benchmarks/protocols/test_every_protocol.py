"""Every protocol has golden numbers, of its present version, and of metrics there are."""

import importlib
from pathlib import Path

import pytest

from benchmarks.metrics import METRICS
from benchmarks.protocols.interface import PROTOCOLS, load_protocol


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_every_protocol_pins_its_numbers(protocol):
    module = importlib.import_module(f"tests.benchmarks.protocols.test_{protocol}")
    golden = module.GOLDEN
    if not isinstance(golden, dict):
        golden = {"nme_virtual": golden}
    assert golden and golden.keys() <= METRICS.keys()
    assert all(isinstance(value, float | int) for value in golden.values())
    # A new version needs new numbers: the test that pins them names the version they are of.
    text = Path(module.__file__).read_text(encoding="utf-8")
    assert f"VERSION == {load_protocol(protocol).VERSION}" in text
