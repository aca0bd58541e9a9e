"""One recording in, its records out: windows, the network applied to them, and what keeps a long run from losing anything."""
