"""Fully connected conditional random fields over an image's pixels."""

from .dense import dense_crf
from .presets import AFFINITY_LABELS, FINAL, CRFOptions, crf_labels

__all__ = ["AFFINITY_LABELS", "FINAL", "CRFOptions", "crf_labels", "dense_crf"]
