"""AutoLink: keypoints and the edges between them, learned by filling in a masked picture."""
