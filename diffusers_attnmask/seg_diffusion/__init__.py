"""Open-vocabulary segmentation as denoising: the mask is a picture, and words say what it shows."""
