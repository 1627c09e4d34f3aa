"""The same inference by the original C++ implementation (extra `crf`)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class PyDenseCRF:
    """The CRF of one image; its kernels are built anew for each problem, since they cannot be kept."""

    pixels: np.ndarray
    gaussian: tuple[float, float]
    bilateral: tuple[float, float, float]

    @classmethod
    def build(
        cls, image: Tensor, gaussian: tuple[float, float], bilateral: tuple[float, float, float]
    ) -> "PyDenseCRF":
        """`image` uint8 (H, W, 3)"""
        return cls(np.ascontiguousarray(image.cpu().numpy()), gaussian, bilateral)

    def marginals(self, probs: Tensor, iterations: int) -> Tensor:
        """Marginals (K, C, H, W) of K problems from positive probabilities (K, C, H, W)."""
        energies = probs.log().neg().cpu().numpy()
        return torch.from_numpy(np.stack([self._one(own, iterations) for own in energies])).to(probs)

    def _one(self, energies: np.ndarray, iterations: int) -> np.ndarray:
        try:
            from pydensecrf.densecrf import DenseCRF2D
        except ImportError as error:
            raise ValueError(
                "backend 'pydensecrf' needs the package pydensecrf2: pip install 'diffusers-attnmask[crf]', "
                "or use backend='torch'"
            ) from error
        labels, height, width = energies.shape
        crf = DenseCRF2D(width, height, labels)
        crf.setUnaryEnergy(np.ascontiguousarray(energies.reshape(labels, -1)))
        crf.addPairwiseGaussian(self.gaussian[0], self.gaussian[1])
        crf.addPairwiseBilateral(self.bilateral[0], self.bilateral[1], self.pixels, self.bilateral[2])
        return np.array(crf.inference(iterations)).reshape(energies.shape)
