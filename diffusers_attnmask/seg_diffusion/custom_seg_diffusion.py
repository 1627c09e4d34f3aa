"""Seg-diffusion as a custom pipeline of diffusers.

Load it with `DiffusionPipeline.from_pretrained(folder, custom_pipeline="<path of this file>",
trust_remote_code=True)`. Diffusers copies the file elsewhere and takes the one pipeline class that it finds
in it: hence the absolute import. The copies of all packages lie in one folder: hence a name of its own.
"""

from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline

__all__ = ["SegDiffusionPipeline"]
