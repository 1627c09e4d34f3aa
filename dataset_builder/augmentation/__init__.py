"""Datasets of augmented pairs."""
