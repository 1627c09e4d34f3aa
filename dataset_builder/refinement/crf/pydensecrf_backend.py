"""The same inference by the original C++ implementation (extra `crf`)."""

import numpy as np
import torch
from torch import Tensor


def mean_field(
    image: Tensor,
    probs: Tensor,
    gaussian: tuple[float, float],
    bilateral: tuple[float, float, float],
    iterations: int,
) -> Tensor:
    """As `mean_field.mean_field`, one problem after the other."""
    try:
        from pydensecrf.densecrf import DenseCRF2D
    except ImportError as error:
        raise ImportError(
            "backend 'pydensecrf' needs the package pydensecrf2: pip install 'diffusers-attnmask[crf]', "
            "or use backend='torch'"
        ) from error
    pixels = np.ascontiguousarray(image.cpu().numpy())
    (sxy_gaussian, gaussian_compat), (sxy, srgb, bilateral_compat) = gaussian, bilateral
    labels, height, width = probs.shape[1:]
    marginals = []
    for energies in probs.log().neg().cpu().numpy():
        crf = DenseCRF2D(width, height, labels)
        crf.setUnaryEnergy(np.ascontiguousarray(energies.reshape(labels, -1)))
        crf.addPairwiseGaussian(sxy=sxy_gaussian, compat=gaussian_compat)
        crf.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=pixels, compat=bilateral_compat)
        marginals.append(np.array(crf.inference(iterations)).reshape(labels, height, width))
    return torch.from_numpy(np.stack(marginals)).to(probs)
