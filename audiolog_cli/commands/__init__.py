"""The commands, one file each: parse, call, write. Heavy imports are inside the functions."""
