"""A page to look at: cells, and the recording and its log if there are any, as one self-contained HTML file or one picture."""
