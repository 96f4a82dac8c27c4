"""Zhang et al.: landmarks that are equivariant, apart from each other, and repaint the picture."""
