"""Two optimisers in one: orthogonalised momentum for the weight matrices, AdamW for everything else.

Orthogonalising an update (Jordan et al., "Muon", 2024) makes all its directions equally long, so that what
few examples show, such as an outline, is learnt as fast as what all show. Its scale is that of AdamW's
updates (Liu et al., 2025, eq. 4), so one learning rate serves both.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist

QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al.: five rounds bring singular values near 1


def orthogonalized(matrix: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrix (R, C), roughly, by Newton–Schulz rounds in half precision."""
    a, b, c = QUINTIC
    x = matrix.bfloat16()
    x = x.mT if x.shape[0] > x.shape[1] else x
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if matrix.shape[0] > matrix.shape[1] else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum; a convolution's kernel counts as the matrix (out, in · area).

    Processes share the work: each orthogonalises some of the matrices.
    """

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # there is no closure to call again
        rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        for group in self.param_groups:
            updates = []
            for index, weight in enumerate(group["params"]):
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                update = torch.zeros_like(weight).flatten(1)
                if index % processes == rank:
                    ahead = weight.grad.lerp(momentum, group["momentum"]).flatten(1)
                    update = orthogonalized(ahead) * 0.2 * max(ahead.shape) ** 0.5
                updates.append(update)
            if processes > 1:
                flat = torch.cat([update.flatten() for update in updates])
                dist.all_reduce(flat)
                updates = flat.split([update.numel() for update in updates])
            for weight, update in zip(group["params"], updates, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update.view(weight.shape), alpha=-group["lr"])


ENDS = ("embed", "conv_in", "conv_out")  # parts of the names of a network's ends


def optimizers(
    model: torch.nn.Module, lr: float, weight_decay: float, ends: tuple[str, ...] = ENDS
) -> tuple[Muon, torch.optim.AdamW]:
    """Muon for the matrices inside the network, AdamW for its ends, embeddings, biases and norms."""
    learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    inner = [p for name, p in learning if p.ndim >= 2 and not any(end in name for end in ends)]
    rest = [p for name, p in learning if p.ndim < 2 or any(end in name for end in ends)]
    adam = torch.optim.AdamW(rest, lr, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True)
    return Muon(inner, lr, weight_decay), adam
