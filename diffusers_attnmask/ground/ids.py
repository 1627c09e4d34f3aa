"""What the ids of masks mean that stand for no class of their own."""

from __future__ import annotations

BACKGROUND_ID = 0  # what shows none of the classes, where there is a background
BACKGROUND = "background"  # its name, in every list of classes
IGNORE_ID = 255  # uncertain, unlabelled, outside of the image: counts neither in training nor in evaluation
