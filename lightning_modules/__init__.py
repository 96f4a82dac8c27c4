"""Methods: each one a LightningModule that splits a picture into *where* and *what*."""
