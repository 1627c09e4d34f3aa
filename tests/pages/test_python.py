"""Every Python example on the pages runs, with small things in place of those that it names."""

import re
import shutil

import numpy as np
import pytest
import torch

import diffusers_attnmask
from dataset_builder.noise.prune import PruneOptions
from diffusers_attnmask import DiffuMaskPipeline
from tests.pages.blocks import blocks
from tests.pages.place import SIDE
from tests.small_models import picture, sd15

# What an example names, and what stands in its place here. All else of an example is run as it is.
IN_PLACE_OF = {
    '"stable-diffusion-v1-5/stable-diffusion-v1-5"': '"sd15"',
    "dtype=torch.float16": "dtype=torch.float32",
    '.to("cuda")': '.to("cpu")',
    'load_dataset("user/birds"': 'load_dataset("birds-kept"',  # from the Hub, which is not there
    "/data/VOC2012": "VOC2012",
    'Recipe.read("tiny")': 'Recipe.read("small.yaml")',
    'recipe="tiny"': 'recipe="small.yaml"',
    "pairs=64": "pairs=2",
    ", num_proc=2": "",
    "EngineOptions(workers=2)": "EngineOptions(workers=0)",
    "EngineOptions(workers=8)": "EngineOptions(workers=1)",
    "SampleRun(steps=20)": "SampleRun(steps=2)",
    'Recipe("voc", ': 'Recipe("tiny-world", ',
    'changes={"steps": 400})': 'changes={"steps": 2}, crop=32, folds=2, prune=ALL)',
    "folds=3, scale=0.5,": 'folds=2, changes={"steps": 2}, crop=32, pretrained="none",',
    'changes={"steps": 100})': 'changes={"steps": 2}, crop=32)',
    'changes={"steps": 5000},': 'changes={"steps": 2}, crop=32, pretrained="none",',
    "epochs=4": "epochs=1",
    "denoising_steps=10, ensemble_size=10": "denoising_steps=1, ensemble_size=1",
    'run_demo("demo")["mean_iou"]': "callable(run_demo)",  # minutes, and its own tests
}
COSTLY = ("bundled_model()", "optimize_tokens(", "build_dataset(", "train_model(", "filter_dataset(")
# What an example writes, which may not be there before.
WRITTEN = r'^(?:build|annotate|refine|filter|augment|train)_\w+\(.*?, "([\w/-]+)"'
EXAMPLES = [
    pytest.param(own, id=str(own), marks=[pytest.mark.slow] if any(it in own.text for it in COSTLY) else [])
    for own in blocks("python")
]


@pytest.fixture
def of_the_reader():
    """The names that the pages take for given."""
    maps = torch.rand(2, 128, 128, generator=torch.Generator().manual_seed(0))
    return {
        "pipe": DiffuMaskPipeline.from_pipe(sd15()),
        "repository": str(diffusers_attnmask.bundled_model()),
        "image": picture(),
        "mask": np.eye(128, dtype=np.uint8),
        "probs": maps.softmax(0),
        "candidates": maps.softmax(0)[None],
        "features": maps[:, :16, :16],
        "maps": maps[:, :16, :16],
        "ALL": PruneOptions(thresholds={"default": 0.0}),
    }


def small(text: str) -> str:
    for named, own in IN_PLACE_OF.items():
        text = text.replace(named, own)
    return text


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example, of_the_reader, place, hub):
    for name in re.findall(WRITTEN, example.text, re.M):
        shutil.rmtree(place / name, ignore_errors=True)
    exec(compile(small(example.text), str(example), "exec"), of_the_reader)


def test_what_is_replaced_stands_on_the_pages():
    text = "\n".join(own.text for own in blocks("python"))
    assert [named for named in IN_PLACE_OF if named not in text] == []


def test_void_of_an_own_id_is_written_anew(of_the_reader, place):
    from PIL import Image

    file = place / "void-is-254/masks/000.png"
    ids = np.asarray(Image.open(file)).copy()
    ids[0] = 254
    Image.fromarray(ids).save(file)
    (example,) = [own for own in blocks("python") if own.page == "real-data.md"]
    exec(example.text, of_the_reader)
    assert set(np.asarray(Image.open(file))[0]) == {255} and ids.shape == (SIDE, SIDE)
