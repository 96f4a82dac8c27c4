"""Deforming Autoencoders with dense blocks (Shu et al., ECCV 2018)."""
