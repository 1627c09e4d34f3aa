"""AffinityNets of the ablation: small ones over pictures, and over features of the diffusion model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmarks.world.mapped_pairs import Pair
from dataset_builder.refinement.affinity.augment import ViewOptions
from dataset_builder.refinement.affinity.diffusion_features import decoder_features
from dataset_builder.refinement.affinity.network import AffinityNet, AffinityNetOptions
from dataset_builder.refinement.affinity.training import (
    AffinityExample,
    AffinityTraining,
    train_affinity_net,
)
from diffusers_attnmask import DiffuMaskPipeline

STRIDE = 4  # pictures have 128 pixels, not 512
SMALL = AffinityNetOptions(stride=STRIDE, widths=(32, 64, 64), out_channels=64)


def trained(
    options: AffinityNetOptions,
    inputs: Sequence[Tensor],
    labels: Sequence[Tensor],
    out: Path,
    epochs: int,
    seed: int,
) -> AffinityNet:
    torch.manual_seed(seed)
    net = AffinityNet(options)
    training = AffinityTraining(epochs=epochs, view=ViewOptions(crop=128), learning_rate=0.005, seed=seed)
    examples = [AffinityExample(*pair) for pair in zip(inputs, labels, strict=True)]
    train_affinity_net(net, examples, training, out, resume=True)
    return net


def decoder_inputs(pipe: DiffuMaskPipeline, pair: Pair) -> Tensor:
    """Features of the pair's image as the model sees it with its prompt."""
    generator = torch.Generator().manual_seed(0)
    image = Image.fromarray(pair.image.numpy())
    return decoder_features(pipe, image, [pair.prompt], generator=generator)[0]
