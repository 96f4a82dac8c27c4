"""Evaluation protocols, one versioned file each, run on frozen methods."""
