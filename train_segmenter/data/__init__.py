"""Sources of pairs: datasets of ours or of the Hub, VOC, Cityscapes, COCO, folders, mixtures."""

from train_segmenter.data.base import FilePairs, Sample, Source
from train_segmenter.data.check import check_source
from train_segmenter.data.class_map import ClassMap, mapped
from train_segmenter.data.hub import HubPairs
from train_segmenter.data.mixture import Mixture
from train_segmenter.data.registry import open_source

__all__ = [
    "ClassMap",
    "FilePairs",
    "HubPairs",
    "Mixture",
    "Sample",
    "Source",
    "check_source",
    "mapped",
    "open_source",
]
