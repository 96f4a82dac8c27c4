"""Scores: protocols, cells, tables, the gate; the only room that knows methods and data."""
