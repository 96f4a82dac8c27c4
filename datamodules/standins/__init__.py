"""Procedural twins of the licensed datasets, with the true factors."""
