"""The networks and what they need for inference: features, checkpoints, precision."""
