"""KeyNet: keypoints learned by painting a picture in another's looks."""
