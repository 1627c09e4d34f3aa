"""Judging a segmenter: inference with windows, scales and flips, and the scores of its predictions."""

from train_segmenter.evaluation.inference import Inference
from train_segmenter.evaluation.judge import evaluate
from train_segmenter.evaluation.scores import Report

__all__ = ["Inference", "Report", "evaluate"]
