"""The commands `attnmask train`, `attnmask eval` and `attnmask segment`, where an installation looks."""

from train_segmenter.evaluate_command import evaluate
from train_segmenter.segment_command import segment
from train_segmenter.train_command import train

__all__ = ["evaluate", "segment", "train"]
