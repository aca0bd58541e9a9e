"""Labelled windows in, a checkpoint out: losses, batches, the loop, and the figures that judge a network. Only `train` needs it."""
