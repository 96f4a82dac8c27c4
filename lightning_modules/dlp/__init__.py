"""Deep Latent Particles (Daniel and Tamar, ICML 2022)."""
