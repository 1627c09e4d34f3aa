"""The published training of seg-diffusion is a recipe."""

import recipes
from train_segmenter.data.tables import voc_names
from train_segmenter.options import Recipe
from train_segmenter.seg_diffusion.options import SegDiffusionOptions


def test_the_published_settings_are_read():
    recipe = Recipe.read(recipes.find("train-seg-diffusion-voc"))
    options = SegDiffusionOptions.from_dict(recipe.model_options)
    assert (options.encoding, options.noise, options.content_attention) == ("levels", "pyramid", True)
    assert set(options.phrases) <= set(voc_names())
    training = recipe.training
    assert (training.learning_rate, training.batch_size, training.accumulate) == (3e-5, 1, 4)
