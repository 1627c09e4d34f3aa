"""Colours as they are seen: Oklab, where equal distances look equal, and what colour-blind eyes make of one.

Oklab is Ottosson's (2020, "A perceptual color space for image processing"); the eyes are those of Machado,
Oliveira and Fernandes (2009, "A physiologically-based model for simulation of color vision deficiency") at
their full severity. Everything takes and returns arrays (..., 3).
"""

from __future__ import annotations

import numpy as np

TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
EYES = {
    "usual": np.eye(3),
    "protanope": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranope": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanope": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def oklab(rgb: np.ndarray, eye: str = "usual") -> np.ndarray:
    """Lightness in [0, 1] and two axes of hue, of sRGB from 0 to 255 as an eye of `EYES` sees it.

    >>> oklab(np.array([255, 255, 255])).round(3).tolist()
    [1.0, 0.0, 0.0]
    """
    light = np.clip(_linear(rgb / 255) @ EYES[eye].T, 0, 1)
    return np.cbrt(light @ TO_CONES.T) @ TO_LAB.T


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """sRGB uint8; what no screen shows becomes the nearest that it does."""
    light = (lab @ np.linalg.inv(TO_LAB).T) ** 3 @ np.linalg.inv(TO_CONES).T
    return (255 * _encoded(np.clip(light, 0, 1))).round().astype(np.uint8)


def _linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encoded(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
