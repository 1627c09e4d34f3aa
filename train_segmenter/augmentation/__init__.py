"""Augmentation of whole pairs, as in DiffuMask: splicing, blur, occlusion, perspective; and turns besides.

It serves two masters, which is why it lies here and not in `dataset_builder`, whom trainings do not import:
`attnmask augment` stores its pairs as a new dataset, `attnmask train --augment` makes them while it trains.

The pixels are Pillow's and numpy's work. Of the libraries at hand, torchvision, albumentations and kornia all
blur and warp, but none splices n × m pairs, and each would have to be talked out of its own fill and
interpolation for masks; Pillow is a core dependency, resamples masks by nearest neighbour, and fills what a
warp uncovers with any id, here 255.
"""
