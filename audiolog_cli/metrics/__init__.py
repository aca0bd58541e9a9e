"""Metrics of scenes and events: arrays of times, labels and scores in, counts and rates out. One function per metric.

    activity.py       intervals and frame scores -> which label is active in which segment
    segment_based.py  S, D, I, error rate, precision, recall, F1, macro F1 per segment (Mesaros et al., 2016)
    event_based.py    events matched with collars: precision, recall, F1, error rate
    scene_based.py    confusion of scenes, class-wise and overall accuracy
    score_based.py    average precision, AUROC, d-prime, best-threshold F1 and tuned thresholds from scores
    bootstrap.py      confidence intervals over files

Definitions and floating-point habits are those of sed_eval 0.2.1 and sed_scores_eval 0.0.4. A rate whose denominator is zero is
undefined and NaN, where sed_eval divides by machine epsilon and reports a huge number. Needs numpy; reads no files.
"""
