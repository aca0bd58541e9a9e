"""The networks and everything that imports torch: features, checkpoints, tagging and training."""
