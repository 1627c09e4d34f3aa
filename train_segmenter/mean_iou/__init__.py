"""The streaming `mean_iou` metric: `evaluate.load(path())`, or `mean_iou` as one call."""

from pathlib import Path

from train_segmenter.mean_iou.mean_iou import JointHistogram, MeanIoU, mean_iou, scores

__all__ = ["JointHistogram", "MeanIoU", "mean_iou", "path", "scores"]


def path() -> str:
    """Where `evaluate.load` finds the metric, in a checkout and in an installed package alike."""
    return str(Path(__file__).parent)
