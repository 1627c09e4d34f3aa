"""Mask2Former on large pictures: the published masks but for few pixels, in the memory of small ones."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from benchmarks.recording.allocations import peak_allocated
from benchmarks.world.query_answers import Answering, answers_to, enlarged
from benchmarks.world.scenes import unseen_scenes
from tests.train_segmenter.shapes import small_mask2former
from tiny_world.oracle import CLASS_NAMES
from train_segmenter.models import mask2former
from train_segmenter.models.base import SegmenterSpec
from train_segmenter.models.mask2former import Mask2FormerSegmenter

DIFFERENT = 1e-3  # share of a large picture's pixels that may go to another class than published
QUERY = mask2former.COMBINED * torch.float32.itemsize  # bytes of a query's mask where masks are combined


@pytest.fixture(scope="module")
def scene():
    [found] = unseen_scenes(2, 1)
    return found.mask


def answered(scene, side, queries=slice(None)):
    answers = answers_to(enlarged(scene, side), seed=0)
    answers.class_queries_logits = answers.class_queries_logits[:, queries]
    answers.masks_queries_logits = answers.masks_queries_logits[:, queries]
    spec = SegmenterSpec("mask2former:answers", CLASS_NAMES)
    return answers, Mask2FormerSegmenter(Answering(answers), spec)


def published(answers, side):
    """Scores float64 (K, side, side) from the masks of all queries at the picture's size."""
    classes = softmax(answers.class_queries_logits[0].double().numpy(), -1)[:, :-1]
    scores = np.zeros((classes.shape[1], side, side))
    for shares, mask in zip(classes, answers.masks_queries_logits[0].double().numpy(), strict=True):
        scores += shares[:, None, None] * expit(stretched(stretched(mask, side).T, side).T)
    return scores


def stretched(values, rows):
    """Values (h, w) as (rows, w), linearly between the middles of what they are values of."""
    places = ((np.arange(rows) + 0.5) * len(values) / rows - 0.5).clip(0, len(values) - 1)
    below = np.floor(places).astype(int)
    above, share = (below + 1).clip(max=len(values) - 1), (places - below)[:, None]
    return (1 - share) * values[below] + share * values[above]


@pytest.mark.parametrize("side", [128, 384])
def test_scores_of_small_pictures_are_as_published(scene, side):
    answers, model = answered(scene, side)
    scores = model(torch.zeros(1, 3, side, side))[0].exp().double()
    torch.testing.assert_close(scores, torch.from_numpy(published(answers, side)), rtol=1e-4, atol=1e-6)


def test_classes_of_large_pictures_are_as_published_but_for_few_pixels(scene):
    answers, model = answered(scene, 768)
    ids = model(torch.zeros(1, 3, 768, 768))[0].argmax(0).numpy()
    assert (ids != published(answers, 768).argmax(0)).mean() < DIFFERENT


def test_a_query_takes_no_more_memory_in_a_larger_picture(scene):
    def peak(side, queries):
        model = answered(scene, side, slice(queries))[1]
        return peak_allocated(lambda: model(torch.zeros(1, 3, side, side)))

    assert peak(1024, 90) - peak(1024, 60) < 1.1 * 30 * QUERY
    assert peak(1024, 90) < 90 * 1024**2 * torch.float32.itemsize / 2


def test_gradients_are_those_of_the_enlarged_scores(monkeypatch):
    monkeypatch.setattr(mask2former, "COMBINED", 32 * 32)
    model = small_mask2former().eval()
    images = torch.rand(1, 3, 64, 64)
    weights = torch.randn(1, 3, 64, 64)

    def gradients(logits):
        model.zero_grad()
        (logits * weights).sum().backward()
        return [own.grad.clone() for own in model.parameters() if own.grad is not None]

    outputs = model.network(pixel_values=model.prepare(images))
    masks = torch.nn.functional.interpolate(outputs.masks_queries_logits, (32, 32), mode="bilinear").sigmoid()
    classes = outputs.class_queries_logits.softmax(-1)[..., :-1]
    scores = torch.nn.functional.interpolate(
        torch.einsum("bqk,bqhw->bkhw", classes, masks), (64, 64), mode="bilinear"
    )
    expected = gradients(scores.clamp(min=mask2former.FLOOR).log())
    found = gradients(model(images))
    assert len(found) == len(expected) > 0
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own, other)
