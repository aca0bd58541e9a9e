"""From a table to a log: prompts, token budget, back ends, the part-by-part summary, and the check of a finished log."""
