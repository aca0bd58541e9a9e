"""Labelled windows in, a checkpoint out: losses, batches, the loop, and validation figures. Only `train` needs it."""
