"""Estimates compared with references: how recordings and labels are matched, the figures, and how they are printed.

material.py   reference, estimate and scores of the same recordings, under common names and labels
figures.py    one recording -> counts; counts of many recordings -> figures
report.py     everything `audiolog eval` prints, as one dictionary, and the summary of what was compared
formats.py    the report as TSV, JSON or Markdown tables
psds.py       PSDS and the best event-based F1, by sed_scores_eval (extra `metrics`)
plots.py      precision-recall curves and scene confusion (extra `metrics`)
"""
