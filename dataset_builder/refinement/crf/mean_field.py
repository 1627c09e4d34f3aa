"""Mean-field inference of the fully connected CRF (Krähenbühl & Koltun 2011) in torch, on CPU and GPU."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dataset_builder.refinement.crf.permutohedral import PermutohedralLattice


@dataclass(frozen=True)
class TorchCRF:
    """The CRF of one image: its kernels serve any number of problems, labels and iterations."""

    kernels: list[tuple[float, PermutohedralLattice]]  # with their weights
    constant: Tensor  # (N, 1): the kernels' weighted sum over a map of ones

    @classmethod
    def build(
        cls, image: Tensor, gaussian: tuple[float, float], bilateral: tuple[float, float, float]
    ) -> "TorchCRF":
        """`image` uint8 (H, W, 3)"""
        position = _pixel_positions(image)
        colour = image.float().permute(2, 0, 1).reshape(3, -1)
        (sxy_gaussian, gaussian_compat), (sxy, srgb, bilateral_compat) = gaussian, bilateral
        kernels = [
            (gaussian_compat, PermutohedralLattice.build(position / sxy_gaussian)),
            (bilateral_compat, PermutohedralLattice.build(torch.cat([position / sxy, colour / srgb]))),
        ]
        return cls(kernels, _messages(kernels, torch.ones_like(position[:1].T)))

    def marginals(self, probs: Tensor, iterations: int) -> Tensor:
        """Marginals (K, C, H, W) of K problems from positive probabilities (K, C, H, W).

        Of C labels, the C - 1 first are carried, by their log-odds against the last: a pixel's marginals
        add up to 1 and filtering is linear, so the last label's message is the constant less the others'.
        """
        logits = probs.flatten(2).log()
        prior = (logits[:, :-1] - logits[:, -1:]).permute(2, 1, 0)  # (N, C-1, K)
        prior = prior.clone(
            memory_format=torch.contiguous_format
        )  # also axes of length 1: filters are faster
        marginals = _from_log_odds(prior.clone())
        prior -= self.constant[:, None]
        for _ in range(iterations):
            messages = _messages(self.kernels, marginals.flatten(1)).view_as(prior)
            total = messages.sum(1, keepdim=True) if messages.shape[1] > 1 else messages
            marginals = _from_log_odds(messages.add_(total).add_(prior))
        carried = marginals.permute(2, 1, 0).contiguous()  # (K, C-1, N)
        last = (1 - carried.sum(1, keepdim=True)).clamp_(min=0)
        return torch.cat([carried, last], dim=1).view(probs.shape)


def _messages(kernels: list[tuple[float, PermutohedralLattice]], marginals: Tensor) -> Tensor:
    """The weighted sum of all kernels' filterings of (N, L)."""
    (weight, lattice), *others = kernels
    total = lattice.filter(marginals).mul_(weight)
    for weight, lattice in others:
        total.add_(lattice.filter(marginals), alpha=weight)
    return total


def _from_log_odds(odds: Tensor) -> Tensor:
    """Probabilities of the labels that have log-odds (N, C-1, K) against one more, in place."""
    if odds.shape[1] == 1:
        return odds.sigmoid_()
    peak = odds.amax(1, keepdim=True).clamp_(min=0)
    odds.sub_(peak).exp_()
    return odds.div_(odds.sum(1, keepdim=True).add_(peak.neg_().exp_()))


def _pixel_positions(image: Tensor) -> Tensor:
    """x and y of each pixel of an image (H, W, ...) in raster order: float32 (2, H*W)."""
    height, width = image.shape[:2]
    y, x = torch.meshgrid(
        torch.arange(height, device=image.device), torch.arange(width, device=image.device), indexing="ij"
    )
    return torch.stack([x, y]).reshape(2, -1).float()
