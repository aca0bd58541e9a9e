"""A log's claims, checked against the table it was written from. Deterministic; no language model is involved."""
