"""The studio: a page in which a trained method's codes are moved by hand, and the picture follows.

After the demonstration of Deep Latent Particles (Daniel and Tamar, ICML 2022), for every method
here whose codes a hand can take hold of.
"""
