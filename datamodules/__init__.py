"""Datasets and their stand-ins: each one a LightningDataModule."""
