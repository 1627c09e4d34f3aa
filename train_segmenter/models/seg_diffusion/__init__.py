"""Training and judging of the seg-diffusion pipeline, as a segmenter like any other."""
