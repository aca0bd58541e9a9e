"""Published data sets, or your own labelled folder, in; a checked `Dataset` out."""
