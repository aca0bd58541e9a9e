"""Labelled data sets as published, or a folder of one's own, in; a checked `Dataset` out."""
