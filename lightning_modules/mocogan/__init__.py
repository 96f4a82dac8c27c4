"""MoCoGAN (Tulyakov et al., CVPR 2018)."""
