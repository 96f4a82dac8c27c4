"""Disentangled dynamic representations from unordered data, and the baselines beside them."""
