"""Training AffinityNet on confident labels, with accelerate: seeded, and resumable to the bit.

A saved state knows what it was trained from, options, network and examples, and goes on with nothing else.
"""

import json
import math
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset

from dataset_builder.plain_values import differences
from dataset_builder.refinement.affinity.augment import ViewOptions, random_view
from dataset_builder.refinement.affinity.loss import affinity_loss
from dataset_builder.refinement.affinity.neighbourhood import Radius
from dataset_builder.refinement.affinity.network import AffinityNet, AffinityNetOptions
from diffusers_attnmask.ground.accelerators import own_accelerator
from diffusers_attnmask.ground.atomic_files import replacing, write_text
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.model_files import readable_model
from diffusers_attnmask.ground.options import (
    Batch,
    Count,
    LearningRate,
    NotNegative,
    Seed,
    Share,
    options,
    read_options,
)
from train_segmenter.training.divergence import check_finite, check_finite_weights

MODEL, OPTIONS = "model.safetensors", "affinity_net.json"
STATE = "training.safetensors"
BEGUN = "training"  # one entry of the state's head, since the order of several would be chance
SHOW_EVERY = 20  # steps: to show a loss is to wait for the device


@dataclass(frozen=True)
class AffinityExample:
    """Labels uint8 (H, W), and either an image uint8 (H, W, 3) or features float (D, h, w)."""

    inputs: Tensor
    labels: Tensor


class Examples(Protocol):
    """Examples by index, from memory or from files."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> AffinityExample: ...


@options
class AffinityTraining:
    """Ahn & Kwak's settings."""

    epochs: Count = 8
    batch_size: Batch = 8
    learning_rate: LearningRate = 0.01
    new_layers_factor: NotNegative = 10.0
    weight_decay: NotNegative = 5e-4
    momentum: Share = 0.9
    power: NotNegative = 0.9
    radius: Radius = 5
    view: ViewOptions = field(default_factory=ViewOptions)
    seed: Seed = 0
    save_every: Count = 200


def train_affinity_net(
    net: AffinityNet,
    examples: Examples,
    options: AffinityTraining,
    out: Path,
    *,
    resume: bool = False,
    progress: bool = True,
) -> list[float]:
    """Train in place; leave the network in `out` and return the losses of the steps that this call made.

    With `resume`, a training that was interrupted goes on from its last saved step to the very same weights;
    one of other options, another network or other examples is refused.
    """
    if not len(examples):
        raise ValueError("AffinityNet cannot be trained on no examples")
    accelerator = own_accelerator()
    total = options.epochs * math.ceil(len(examples) / options.batch_size)
    optimizer = _optimizer(net, options)
    origin = _origin(net, examples, options)
    first = _resume(net, optimizer, origin, out) if resume and (out / STATE).exists() else 0
    loader = DataLoader(
        _Views(examples, options, net.options.backbone == "features"),
        batch_sampler=_batches(len(examples), options)[first:],
    )
    net, optimizer, loader = accelerator.prepare(net.train(), optimizer, loader)
    losses: list[Tensor] = []
    shown = bar(loader, "training AffinityNet", total, unit="step", first=first, shown=progress)
    for step, (inputs, labels) in enumerate(shown, start=first):
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * (1 - step / total) ** options.power
        features = net(inputs)
        grid = interpolate(labels[:, None].float(), features.shape[-2:], mode="nearest-exact")
        loss = affinity_loss(features, grid[:, 0].to(torch.uint8), options.radius)
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        if (step + 1) % SHOW_EVERY == 0:
            shown.say(f"loss {loss.item():.3f}")
        if (step + 1) % options.save_every == 0:
            check_finite(loss.item(), step + 1)
            check_finite_weights(net.state_dict().values(), step + 1)
            if accelerator.is_main_process:
                _save(accelerator.unwrap_model(net), optimizer, origin, step + 1, out)
    if losses:
        check_finite(losses[-1].item(), total)
        check_finite_weights(net.state_dict().values(), total)
    if accelerator.is_main_process:
        _save(accelerator.unwrap_model(net), optimizer, origin, total, out)
    accelerator.unwrap_model(net).eval()
    return torch.stack(losses).tolist() if losses else []


def load_affinity_net(folder: Path) -> AffinityNet:
    """The network that `train_affinity_net` left in a folder."""
    if not (folder / MODEL).exists():
        raise FileNotFoundError(f"{folder} holds no AffinityNet: there is no {MODEL}")
    values = read_json(folder / OPTIONS) | {"pretrained": False}
    options = read_options(AffinityNetOptions, values, str(folder / OPTIONS))
    with readable_model(folder):
        net = AffinityNet(options)
        net.load_state_dict(load_file(folder / MODEL))
        return net.eval()


@torch.no_grad()
def affinity_features(net: AffinityNet, inputs: Tensor) -> Tensor:
    """Features (D, h, w) of one network input (3, H, W), or (D', h, w) for the backbone "features"."""
    device = next(net.parameters()).device
    return net(inputs[None].to(device))[0].to(inputs.device)


class _Views(Dataset):
    """Random views by (epoch, index): each a function of the seed alone, whatever was drawn before."""

    def __init__(self, examples: Examples, options: AffinityTraining, given: bool) -> None:
        self.examples, self.options, self.given = examples, options, given

    def __getitem__(self, drawn: tuple[int, int]) -> tuple[Tensor, Tensor]:
        example = self.examples[drawn[1]]
        if self.given:
            return example.inputs.float(), example.labels
        seed = np.random.SeedSequence([self.options.seed, *drawn]).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        return random_view(example.inputs, example.labels, self.options.view, generator)


def _batches(count: int, options: AffinityTraining) -> list[list[tuple[int, int]]]:
    """All batches of all epochs, as (epoch, index): each epoch shuffled, its last batch perhaps smaller."""
    size = options.batch_size
    epochs = [
        np.random.default_rng([options.seed, epoch]).permutation(count) for epoch in range(options.epochs)
    ]
    return [
        [(epoch, int(index)) for index in order[start : start + size]]
        for epoch, order in enumerate(epochs)
        for start in range(0, count, size)
    ]


def _optimizer(net: AffinityNet, options: AffinityTraining) -> torch.optim.SGD:
    new = {id(parameter) for parameter in net.new_layers()}
    rates = {True: options.learning_rate * options.new_layers_factor, False: options.learning_rate}
    groups = [
        {"params": [p for p in net.parameters() if (id(p) in new) == fresh], "lr": rate, "initial_lr": rate}
        for fresh, rate in rates.items()
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        momentum=options.momentum,
        weight_decay=options.weight_decay,
    )


def _origin(net: AffinityNet, examples: Examples, options: AffinityTraining) -> dict[str, Any]:
    """All that decides the weights, as JSON gives it back; labels stand for what they were made by."""
    digest = sha256()
    for index in range(len(examples)):
        example = examples[index]
        for tensor in (example.inputs, example.labels):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().view(torch.uint8).numpy().data)
    origin = {"training": asdict(options), "network": asdict(net.options), "examples": digest.hexdigest()}
    return json.loads(json.dumps(origin))


def _save(
    net: AffinityNet, optimizer: torch.optim.Optimizer, origin: dict[str, Any], step: int, out: Path
) -> None:
    """Weights alone, for use; weights, momenta and the step in one file, so that they cannot disagree."""
    weights = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    momenta = {
        f"momentum.{name}": optimizer.state[parameter]["momentum_buffer"].cpu().contiguous()
        for name, parameter in net.named_parameters()
        if "momentum_buffer" in optimizer.state[parameter]
    }
    write_text(out / OPTIONS, json.dumps(asdict(net.options), indent=2) + "\n")
    with replacing(out / MODEL) as path:
        save_file(weights, path)
    with replacing(out / STATE) as path:
        save_file(weights | momenta, path, {BEGUN: json.dumps({"step": step, "origin": origin})})


def _resume(net: AffinityNet, optimizer: torch.optim.Optimizer, origin: dict[str, Any], out: Path) -> int:
    """Put the saved weights and momenta back: the number of steps that they have seen."""
    with readable_model(out / STATE), safe_open(out / STATE, "pt") as file:
        begun = json.loads(file.metadata()[BEGUN])
    if changed := differences(begun["origin"], origin):
        raise ValueError(
            f"{out} holds a training begun otherwise: {'; '.join(changed)}. Take the old values to go on, or "
            f"remove {out} to begin anew"
        )
    with readable_model(out / STATE):
        tensors = load_file(out / STATE)
        net.load_state_dict({name: tensors[name] for name in net.state_dict()})
    for name, parameter in net.named_parameters():
        if (buffer := tensors.get(f"momentum.{name}")) is not None:
            optimizer.state[parameter]["momentum_buffer"] = buffer
    return begun["step"]
