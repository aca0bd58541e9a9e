"""Checkpoints by name: where they lie, what can be pulled, and the label lists of public networks. No torch here."""
