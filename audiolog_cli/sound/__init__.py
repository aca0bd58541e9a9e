"""Bytes in, mono float32 at the model's rate out, and when each sample was recorded: files, pipes and streams of any length."""
