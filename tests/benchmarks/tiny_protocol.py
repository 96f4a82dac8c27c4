"""The tiny protocol as a module, as protocols are."""

from tests.benchmarks.tiny import evaluate

VERSION = 1

__all__ = ["VERSION", "evaluate"]
