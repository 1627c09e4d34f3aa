"""Mean-field inference of the fully connected CRF (Krähenbühl & Koltun 2011) in torch, on CPU and GPU."""

import torch
from torch import Tensor

from .permutohedral import PermutohedralLattice

# Candidates are inferred in groups of about this many marginals, so that memory is bounded and reused.
VALUES_AT_ONCE = 2**22


def mean_field(
    image: Tensor,
    probs: Tensor,
    gaussian: tuple[float, float],
    bilateral: tuple[float, float, float],
    iterations: int,
) -> Tensor:
    """Marginals (K, C, H, W) of K problems over one image (H, W, 3) from positive probabilities (K, C, H, W).

    All problems share the two lattices.
    """
    height, width = probs.shape[-2:]
    position = _pixel_positions(height, width, probs)
    colour = image.to(probs).permute(2, 0, 1).reshape(3, -1)
    (sxy_gaussian, gaussian_compat), (sxy, srgb, bilateral_compat) = gaussian, bilateral
    kernels = [
        (gaussian_compat, PermutohedralLattice.build(position / sxy_gaussian)),
        (bilateral_compat, PermutohedralLattice.build(torch.cat([position / sxy, colour / srgb]))),
    ]
    together = max(1, VALUES_AT_ONCE // probs[0].numel())
    return torch.cat([_infer(kernels, chunk, iterations) for chunk in probs.split(together)])


def _infer(kernels: list[tuple[float, PermutohedralLattice]], probs: Tensor, iterations: int) -> Tensor:
    """Marginals (K, C, H, W).

    Of C labels, the C - 1 first are carried, by their log-odds against the last: a pixel's marginals add up
    to 1 and filtering is linear, so the last label's message is the filtered constant less the others'.
    """
    logits = probs.flatten(2).log()
    prior = (logits[:, :-1] - logits[:, -1:]).permute(2, 1, 0)  # (N, C-1, K)
    prior = prior.clone(memory_format=torch.contiguous_format)  # also axes of length 1: the lattice is faster
    marginals = _from_log_odds(prior.clone())
    prior -= _messages(kernels, prior.new_ones(len(prior), 1))[:, None]
    for _ in range(iterations):
        messages = _messages(kernels, marginals.flatten(1)).view_as(prior)
        marginals = _from_log_odds(messages.add_(messages.sum(1, keepdim=True)).add_(prior))
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


def _pixel_positions(height: int, width: int, like: Tensor) -> Tensor:
    """x and y of each pixel in raster order: (2, H*W)."""
    y, x = torch.meshgrid(
        torch.arange(height, device=like.device), torch.arange(width, device=like.device), indexing="ij"
    )
    return torch.stack([x, y]).reshape(2, -1).to(like.dtype)
