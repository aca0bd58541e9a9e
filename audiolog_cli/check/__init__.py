"""What a log claims, against the table it was written from. Deterministic; no language model in it."""
