"""The published training of seg-diffusion is a recipe."""

import recipes
from diffusers_attnmask.ground.options import read_options
from train_segmenter.data.tables import voc_names
from train_segmenter.models.seg_diffusion.options import SegDiffusionOptions
from train_segmenter.training.options import TrainingRecipe


def test_the_published_settings_are_read():
    recipe = TrainingRecipe.read(recipes.find("train-seg-diffusion-voc"))
    options = read_options(SegDiffusionOptions, recipe.model_options, "model_options")
    assert (options.encoding, options.noise, options.content_attention) == ("levels", "pyramid", True)
    assert set(options.phrases) <= set(voc_names())
    training = recipe.training
    assert (training.learning_rate, training.batch_size, training.accumulate) == (3e-5, 1, 4)
