"""From a recipe to a folder of shards. Which file does which step of a shard's way from prompt to Parquet:

1. `layout`: which pairs the shard holds, with their prompts from the plan (`prompts/plan`) and their seeds
2. `sampler`: what draws images with class maps from prompts and seeds; `diffumask_sampler`: by the pipeline;
   `featured_sampler`: with AffinityNet's features, `settled_sampler`: with SAM's masks, where there is a GPU
3. `candidates`: the shard's images, batch after batch, what came out faulty drawn anew
4. `row`: the mask refined, the pictures encoded, a row of the dataset
5. `shard`: rows and counts as Parquet, written whole

`run` does this for all that a folder lacks: `job` holds the steps, which `engines` spreads as asked for: over
this process and a pool of others (`local_engine`), over the GPUs of this machine (`gpu_samplers`), or over a
cluster. `manifest`, `tally` and `progress` keep count. `builder` does it for `datasets`.
"""

from typing import Any

_HOME = {
    "DiffuMaskBuilder": "dataset_builder.building.builder",
    "EngineOptions": "dataset_builder.engine.options",
    "build": "dataset_builder.building.run",
}
__all__ = ["DiffuMaskBuilder", "EngineOptions", "build"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
