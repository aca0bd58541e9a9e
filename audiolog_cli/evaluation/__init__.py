"""Estimates compared with references: how recordings and labels are matched, the figures, and how they are printed.

material.py   reference, estimate and scores of the same recordings, under common names and labels
figures.py    one recording -> counts; counts of many recordings -> figures
report.py     everything `audiolog eval` prints, as one dictionary, and the summary of what was compared
formats.py    the report as TSV, JSON or Markdown tables
library.py    the headline figures as sed_eval and sed_scores_eval compute them, and PSDS (extra `metrics`)
plots.py      precision-recall curves and scene confusion (extra `metrics`)
"""
