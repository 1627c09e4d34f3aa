"""A dataset folder of blocky masks, as `attnmask build` would write it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.columns import pair_features
from diffusers_attnmask.ground.pictures import encoded
from tests.dataset_builder.stored_rows import store_rows


def make_dataset(folder, class_names, count=5, seed=0, splits=("train",), names="pair-{}"):
    """A dataset of blocks with every id and 255, and the masks by id. Its first image is a JPEG."""
    rng = np.random.default_rng(seed)
    masks, rows = {}, {}
    for split in splits:
        rows[split] = []
        for number in range(count):
            ids = rng.choice([*range(len(class_names)), 255], (4, 5)).astype(np.uint8)
            mask = np.kron(ids, np.ones((6, 6), np.uint8))
            image = rng.integers(0, 256, (24, 30, 3), np.uint8)
            stream = folder.parent / "picture"
            Image.fromarray(image).save(stream, "JPEG" if number == 0 else "PNG")
            name = names.format(f"{split}{number}")
            masks[name] = mask
            rows[split].append(
                {
                    "image": {"bytes": stream.read_bytes(), "path": None},
                    "mask": {"bytes": encoded(mask), "path": None},
                    "id": name,
                    "prompt": "",
                    "classes": [int(i) for i in np.unique(mask) if 0 < i < len(class_names)],
                    "seed": number,
                    "method": "exact",
                    "model": "",
                    "quality": 1.0,
                }
            )
    store_rows(rows, pair_features(class_names), class_names, folder)
    return masks
