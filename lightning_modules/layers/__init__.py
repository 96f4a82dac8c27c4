"""Shared parts of networks, pure torch."""
