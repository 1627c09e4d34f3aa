"""The streaming `mean_iou` metric; `evaluate.load` takes this folder's path."""

from train_segmenter.mean_iou.mean_iou import JointHistogram, MeanIoU, mean_iou, scores

__all__ = ["JointHistogram", "MeanIoU", "mean_iou", "scores"]
