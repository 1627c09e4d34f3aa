"""Several processes with one thread each: on few cores they beat threads, which wait for each other at every
operation and not only once a step. Start with ``torchrun --nproc-per-node 2 -m tiny_world.training``."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist


def join() -> tuple[int, int]:
    """This process's rank and the number of processes; 0 and 1 without torchrun."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if not dist.is_initialized():
        torch.set_num_threads(1)
        dist.init_process_group("gloo")
    return dist.get_rank(), dist.get_world_size()


def average_gradients(model: torch.nn.Module) -> None:
    """Each gradient becomes its mean over the processes."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def wait() -> None:
    if dist.is_initialized():
        dist.barrier()
