"""Fully connected conditional random fields over an image's pixels."""

from dataset_builder.refinement.crf.dense import dense_crf
from dataset_builder.refinement.crf.presets import AFFINITY_LABELS, FINAL, CRFOptions, crf_labels

__all__ = ["AFFINITY_LABELS", "FINAL", "CRFOptions", "crf_labels", "dense_crf"]
