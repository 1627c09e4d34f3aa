"""Real-textured images for the tests: crops of scikit-image's bundled photographs."""

from functools import cache
from pathlib import Path

import numpy as np
import skimage
from PIL import Image
from scipy.ndimage import gaussian_filter

PNG = """astronaut brick camera cell chelsea clock_motion coffee coins color grass gravel ihc moon
motorcycle_left motorcycle_right page"""
FILES = [f"{name}.png" for name in PNG.split()] + ["hubble_deep_field.jpg", "retina.jpg", "rocket.jpg"]


@cache
def photograph(name: str) -> np.ndarray:
    """uint8 (H, W, 3)"""
    return np.asarray(Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB"))


def crops(height: int, width: int) -> list[np.ndarray]:
    """Three crops of each photograph: 57 images."""
    images = []
    for name in FILES:
        whole = photograph(name)
        for part in (0.1, 0.5, 0.8):
            top, left = (
                int(part * max(0, have - want))
                for have, want in zip(whole.shape, (height, width), strict=False)
            )
            crop = Image.fromarray(whole[top : top + height, left : left + width])
            images.append(np.asarray(crop.resize((width, height))))
    return images


def smooth_probabilities(image: np.ndarray, labels: int, seed: int) -> np.ndarray:
    """Random but smooth class probabilities that follow the image a little: float32 (labels, H, W)."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((labels, *image.shape[:2]))
    scores = np.stack([gaussian_filter(plane, 8) * 40 for plane in noise])
    scores[0] += gaussian_filter(image.mean(-1) / 255, 4) * 2
    odds = np.exp(scores)
    return (odds / odds.sum(0)).astype(np.float32)
