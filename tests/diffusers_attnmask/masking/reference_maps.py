"""Slow, literal versions of the published heat maps, in float64 and from everything that a run computed.

They share no code with the package: attention is captured by a processor of their own that keeps every query,
key and value of every layer and step; each definition is then spelt out in loops.
"""

import contextlib
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor2_0


@dataclass
class Layer:
    """One attention layer: what it saw at each step, conditional and unconditional rows alike."""

    name: str
    module: torch.nn.Module
    queries: list = field(default_factory=list)  # a step: (batch, heads, positions, depth)
    keys: list = field(default_factory=list)  # a step: (batch, heads, tokens or positions, depth)
    values: list = field(default_factory=list)  # a step: like its keys

    @property
    def place(self):
        return self.name.split("_", 1)[0]  # down, mid or up

    @property
    def is_cross(self):
        return self.name.endswith("attn2")


class Everything:
    """The attention processor that computes as diffusers does, and keeps all queries and keys beside."""

    def __init__(self, layer):
        self.layer = layer
        self.plain = AttnProcessor2_0()

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, *args, **options):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        self.layer.queries.append(by_head(attn.to_q(hidden_states), attn.heads))
        self.layer.keys.append(by_head(attn.to_k(context), attn.heads))
        self.layer.values.append(by_head(attn.to_v(context), attn.heads))
        return self.plain(attn, hidden_states, encoder_hidden_states, *args, **options)


def by_head(projected, heads):
    """(batch, positions, heads * depth) -> (batch, heads, positions, depth), float64 numpy."""
    values = projected.detach().double().numpy()
    return values.reshape(*values.shape[:2], heads, -1).transpose(0, 2, 1, 3)


@contextlib.contextmanager
def everything_of(unet):
    """Yields the list of the UNet's attention layers; a run inside fills it."""
    before = dict(unet.attn_processors)
    layers = [
        Layer(name.removesuffix(".processor"), unet.get_submodule(name.removesuffix(".processor")))
        for name in before
    ]
    unet.set_attn_processor({f"{layer.name}.processor": Everything(layer) for layer in layers})
    try:
        yield layers
    finally:
        unet.set_attn_processor(before)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attention(layer, step, row, head, keys=None):
    """One softmax(Q Kᵀ / √d) of one batch row and head: (positions, keys)."""
    query = layer.queries[step][row, head]
    keys = layer.keys[step][row, head] if keys is None else keys[head]
    return softmax(query @ keys.T / np.sqrt(query.shape[-1]))


def mean_over_steps(layer, row, head, keys=None):
    return np.mean([attention(layer, step, row, head, keys) for step in range(len(layer.queries))], axis=0)


def heads_of(layer):
    return range(layer.queries[0].shape[1])


def grid_of(level, latent_size):
    """Rows and columns at a level: every downsampling halves, rounding up."""
    height, width = latent_size
    for _ in range(level):
        height, width = -(-height // 2), -(-width // 2)
    return height, width


def layers_at(layers, level, latent_size, *, cross, places=("down", "mid", "up")):
    height, width = grid_of(level, latent_size)
    return [
        layer
        for layer in layers
        if layer.is_cross == cross
        and layer.place in places
        and layer.queries
        and layer.queries[0].shape[2] == height * width
    ]


def cubic(distance, a=-0.75):
    """The convolution kernel of bicubic interpolation, with torch's constant."""
    distance = abs(distance)
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    if distance < 2:
        return a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    return 0.0


def cubic_weights(old, new):
    """(new, old): pixel centres aligned, borders repeated."""
    weights = np.zeros((new, old))
    for row in range(new):
        centre = (row + 0.5) * old / new - 0.5
        first = int(np.floor(centre)) - 1
        for source in range(first, first + 4):
            weights[row, min(max(source, 0), old - 1)] += cubic(centre - source)
    return weights


def bicubic(image, size):
    """(h, w) -> size."""
    rows, columns = (cubic_weights(old, new) for old, new in zip(image.shape, size, strict=True))
    return rows @ image @ columns.T


def min_max(image):
    return (image - image.min()) / (image.max() - image.min())


def mean_map(layers, row, tokens, grid, keys_of=lambda layer: None):
    """A phrase's map at one resolution: mean over layers, heads, steps and tokens, (h, w)."""
    maps = [
        mean_over_steps(layer, row, head, keys_of(layer))[:, token]
        for layer in layers
        for head in heads_of(layer)
        for token in tokens
    ]
    return np.mean(maps, axis=0).reshape(grid)


def daam(
    layers,
    row,
    tokens,
    latent_size,
    image_size,
    keys_of=lambda layer: None,
    places=("down", "up"),
    levels=(0, 1, 2),
):
    """DAAM (Tang et al., 2023): the mean of the layers' and heads' maps, each upscaled and clamped."""
    grids = {level: grid_of(level, latent_size) for level in levels}
    maps = []
    for token in tokens:
        of_token = []
        for level, grid in grids.items():
            for layer in layers_at(layers, level, latent_size, cross=True, places=places):
                for head in heads_of(layer):
                    column = mean_over_steps(layer, row, head, keys_of(layer))[:, token].reshape(grid)
                    of_token.append(bicubic(column, latent_size).clip(0))
        maps.append(np.mean(of_token, axis=0))
    return min_max(bicubic(np.mean(maps, axis=0), image_size))


def diffumask(layers, row, tokens, latent_size, image_size, levels=(0, 1, 2)):
    """DiffuMask (Wu et al., 2023): the mean over resolutions of the upscaled map by its maximum."""
    scaled = []
    for level in levels:
        at_level = layers_at(layers, level, latent_size, cross=True)
        if at_level:
            image = bicubic(mean_map(at_level, row, tokens, grid_of(level, latent_size)), image_size)
            scaled.append(image / image.max())
    return np.mean(scaled, axis=0)


def dataset_diffusion(layers, row, tokens, latent_size, image_size, keys_of, self_level=1):
    """Dataset Diffusion (Nguyen et al., 2023): self-attention⁴ @ class-prompt cross-attention.

    `keys_of(layer)` are the layer's keys of the class prompt; `tokens` are a class's positions in it.
    """
    coarse, fine = grid_of(2, latent_size), grid_of(self_level, latent_size)
    cross = mean_map(layers_at(layers, 2, latent_size, cross=True), row, tokens, coarse, keys_of)
    selves = [
        mean_over_steps(layer, row, head)
        for layer in layers_at(layers, self_level, latent_size, cross=False)
        for head in heads_of(layer)
    ]
    walked = np.linalg.matrix_power(np.mean(selves, axis=0), 4) @ bicubic(cross, fine).reshape(-1)
    return bicubic(min_max(walked.reshape(fine)), image_size)


def dataset_diffusion_mask(heatmaps):
    """(C, H, W) -> (H, W): sure from 0.6, uncertain from 0.5, background below."""
    height, width = heatmaps.shape[1:]
    mask = np.zeros((height, width), dtype=np.uint8)
    for y in range(height):
        for x in range(width):
            best = heatmaps[:, y, x].max()
            if best >= 0.6:
                mask[y, x] = heatmaps[:, y, x].argmax() + 1
            elif best >= 0.5:
                mask[y, x] = 255
    return mask


def fixed_threshold_mask(heatmaps, threshold):
    """(C, H, W) -> (H, W): the arg-max class where it reaches the threshold, else background."""
    return np.where(heatmaps.max(0) >= threshold, heatmaps.argmax(0) + 1, 0).astype(np.uint8)


def keys_of_words(text_states):
    """Text states (1, tokens, width) -> a function of a layer: its keys of them, (heads, tokens, depth)."""

    def keys_of(layer):
        with torch.no_grad():
            return by_head(layer.module.to_k(text_states), layer.module.heads)[0]

    return keys_of


def text_states(pipe, text):
    """What the pipeline's cross-attention would read for a prompt: (1, tokens, width)."""
    with torch.no_grad():
        encoded = pipe.encode_prompt(
            text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
    return encoded[0]
