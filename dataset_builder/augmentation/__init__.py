"""Augmentation of pairs: splicing, blur, occlusion, perspective; as a new dataset, or while training.

The pixels are Pillow's and numpy's work. Of the libraries at hand, torchvision, albumentations and kornia all
blur and warp, but none splices n × m pairs, and each would have to be talked out of its own fill and
interpolation for masks; Pillow is a core dependency, resamples masks by nearest neighbour, and fills what a
warp uncovers with any id, here 255.
"""

from dataset_builder.augmentation.chain import PairAugmentation
from dataset_builder.augmentation.options import AugmentOptions
from dataset_builder.augmentation.source import AugmentedSource

__all__ = ["AugmentOptions", "AugmentedSource", "PairAugmentation"]
