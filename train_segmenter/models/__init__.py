"""Segmenters by one name, whatever library builds them."""

from train_segmenter.models.base import Segmenter, SegmenterSpec
from train_segmenter.models.registry import create, load

__all__ = ["Segmenter", "SegmenterSpec", "create", "load"]
