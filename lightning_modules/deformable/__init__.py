"""Deformable Generator Networks (Xing et al., TPAMI 2022)."""
