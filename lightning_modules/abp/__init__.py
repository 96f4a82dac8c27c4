"""Alternating back-propagation (Han et al., AAAI 2017)."""
