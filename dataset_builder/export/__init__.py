"""Datasets from and to the formats of others: VOC, Cityscapes, COCO, mmsegmentation, plain folders."""
