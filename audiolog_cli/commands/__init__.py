"""The commands, one file each: parse, call, write. Heavy imports stay inside the functions."""
