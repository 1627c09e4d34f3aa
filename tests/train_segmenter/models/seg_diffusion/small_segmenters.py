"""Small seg-diffusion segmenters of the world of squares, and what trains them in seconds."""

import torch

from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline
from tests.small_models import sd15
from tests.train_segmenter.shapes import NAMES
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.models import SegmenterSpec
from train_segmenter.models.seg_diffusion.options import SegDiffusionOptions
from train_segmenter.models.seg_diffusion.segmenter import HALF, SegDiffusionSegmenter
from train_segmenter.training.options import TrainOptions

SIZE = 64
OPTIONS = TrainOptions(
    steps=4,
    batch_size=2,
    learning_rate=1e-3,
    ema=0.5,
    log_every=1,
    save_every=2,
    pictures=1,
    augmentation=Augmentation(crop=SIZE, scale=(1, 1), colour=0.0, largest_class=1.0),
)


def small_segmenter(class_names=NAMES, **options):
    """An untrained model, always the same; one step of one sample when it is judged."""
    chosen = SegDiffusionOptions(**{"denoising_steps": 1, "content_attention": True, **options})
    torch.manual_seed(0)
    pipe = SegDiffusionPipeline.from_text_to_image(
        sd15(fresh=True),
        content_attention=chosen.content_attention,
        prediction="v_prediction",
        encoding=chosen.encoding,
        noise=chosen.noise,
        phrases=dict(chosen.phrases),
        processing_res=SIZE,
    )
    return SegDiffusionSegmenter(pipe, SegmenterSpec("seg-diffusion:small", class_names, HALF, HALF), chosen)
