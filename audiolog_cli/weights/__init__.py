"""Checkpoints by name: where they are, which can be downloaded, and the label lists of public networks. No torch here."""
