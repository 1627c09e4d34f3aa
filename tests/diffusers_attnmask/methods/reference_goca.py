"""GoCA as published (Meng et al., 2026), spelt out in loops over places, heads, layers and steps, in float64.

What the publication leaves open is decided as the method's own words say; no code of the package is shared.
"""

import numpy as np

from tests.diffusers_attnmask.masking.reference_maps import (
    attention,
    bicubic,
    grid_of,
    heads_of,
    min_max,
)


def goca(layers, row, classes, content, latent_size, image_size, *, steps, self_level, reference=0.6):
    """One map (H, W) per class. layers: in the order in which they run. classes: the positions of each;
    content: positions of all words that mean something; steps: those that count."""
    grid = grid_of(self_level, latent_size)
    selves = [layer for layer in layers if not layer.is_cross]
    pseudo = unit(
        mean(reference_affinity(nearest(selves, reference), row, step, latent_size) for step in steps)
    )
    total, sum_of_weights = 0, 0
    for index, layer in enumerate(layers):
        if layer.is_cross:
            partner = [own for own in layers[:index] if not own.is_cross][-1]
            agreement = unit(mean(cell_attention(partner, row, step, latent_size) for step in steps))
            weight = (agreement * pseudo).sum()
            maps = mean(weighted_heads(layer, row, step) for step in steps)  # (places, tokens)
            maps = maps.T.reshape(-1, *grid_of_layer(layer, latent_size))
            total = total + weight * np.stack([bicubic(own, grid) for own in maps])
            sum_of_weights += weight
    maps = total / sum_of_weights
    walk = mean(
        attention(layer, step, row, head)
        for layer in selves
        if layer.queries[0].shape[2] == grid[0] * grid[1]
        for step in steps
        for head in heads_of(layer)
    )
    found = []
    for tokens in classes:
        own = maps[tokens].mean(0).clip(0)
        share = (own / maps[content].sum(0).clip(1e-6)).clip(max=1)
        smooth = min_max(blurred(share))
        spread = (walk @ (walk @ smooth.reshape(-1))).reshape(grid)
        found.append(bicubic(min_max(spread), image_size))
    return found


def weighted_heads(layer, row, step):
    """Σ_n w'_mn A_n at every place m: (places, tokens)."""
    matrix = layer.module.to_out[0].weight.detach().double().numpy()  # (D, heads * depth)
    depth = layer.queries[step].shape[-1]
    maps = [attention(layer, step, row, head) for head in heads_of(layer)]
    parts = [
        maps[head] @ layer.values[step][row, head] @ matrix[:, head * depth : (head + 1) * depth].T
        for head in heads_of(layer)
    ]  # A_n V_n W_n^O: (places, D) each
    output = sum(parts)
    weighted = np.zeros_like(maps[0])
    for place in range(len(output)):
        weights = np.array([part[place] @ output[place] for part in parts])
        for head, weight in enumerate(weights / weights.sum()):
            weighted[place] += weight * maps[head][place]
    return weighted


def cell_attention(layer, row, step, latent_size):
    """From the place in the middle of each of 8 x 8 cells to all cells, mean over heads: (64, 64)."""
    height, width = grid_of_layer(layer, latent_size)
    whole = mean(attention(layer, step, row, head) for head in heads_of(layer))
    found = np.zeros((64, 64))
    for cell in range(64):
        y, x = int((cell // 8 + 0.5) * height / 8), int((cell % 8 + 0.5) * width / 8)
        for place, probability in enumerate(whole[y * width + x]):
            for other in range(64):
                found[cell, other] += probability * inside(place, other, height, width)
    return found


def reference_affinity(layer, row, step, latent_size):
    """Cosine of the attention outputs of cells around their mean, clipped at 0, rows summing to 1."""
    height, width = grid_of_layer(layer, latent_size)
    outputs = np.concatenate(
        [attention(layer, step, row, head) @ layer.values[step][row, head] for head in heads_of(layer)],
        axis=1,
    )
    features = []
    for cell in range(64):
        parts = np.array([inside(place, cell, height, width) for place in range(height * width)])
        features.append(parts @ outputs / parts.sum())
    features = np.array(features) - np.mean(features, axis=0)
    similar = np.zeros((64, 64))
    for one in range(64):
        for other in range(64):
            lengths = np.linalg.norm(features[one]) * np.linalg.norm(features[other])
            similar[one, other] = max(0.0, features[one] @ features[other] / lengths)
    return similar / similar.sum(axis=1, keepdims=True)


def inside(place, cell, height, width):
    """The part of a place's area that lies in a cell."""
    return overlap(place // width, height, cell // 8) * overlap(place % width, width, cell % 8)


def overlap(place, length, cell):
    first, last = max(place / length, cell / 8), min((place + 1) / length, (cell + 1) / 8)
    return max(0.0, last - first) * length


def blurred(image):
    """Gaussian of deviation 1 cut off at 3, border repeated."""
    weights = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    weights /= weights.sum()
    height, width = image.shape
    found = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            for dy in range(-3, 4):
                for dx in range(-3, 4):
                    near = image[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
                    found[y, x] += weights[dy + 3] * weights[dx + 3] * near
    return found


def nearest(layers, depth):
    return layers[round(depth * (len(layers) - 1))]


def grid_of_layer(layer, latent_size):
    grids = [grid_of(level, latent_size) for level in range(6)]
    return next(grid for grid in grids if grid[0] * grid[1] == layer.queries[0].shape[2])


def unit(matrix):
    return matrix / np.linalg.norm(matrix)


def mean(matrices):
    return np.mean(list(matrices), axis=0)
