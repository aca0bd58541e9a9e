"""A page to look at: cells, with the recording and its log if given, as one self-contained HTML file or one picture."""
