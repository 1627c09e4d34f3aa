"""Segmentation models trained and evaluated on generated and real datasets."""
