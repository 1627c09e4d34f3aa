"""Panoptic quality and mask AP against the published rules and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.detection import PanopticQuality

from diffusers_attnmask.ground.instances import described
from train_segmenter.evaluation.coco_ap import MaskPrecision
from train_segmenter.evaluation.panoptic import PanopticTally
from train_segmenter.models.object_queries import FoundObjects, found_objects, found_segments

NAMES = ("background", "cat", "dog")


def scene(rng, size=(24, 24), count=5):
    """Numbers of segments in blocks and the class of each; 0 is none."""
    numbers = np.kron(rng.integers(0, count + 1, (size[0] // 4, size[1] // 4)), np.ones((4, 4), int))
    known = np.unique(numbers[numbers > 0])
    numbers = np.where(numbers > 0, np.searchsorted(known, numbers) + 1, 0)
    return numbers, rng.integers(1, 3, len(known)).tolist()


def disturbed(rng, numbers, classes):
    """The same segments with some pixels and some classes wrong."""
    moved = np.where(
        rng.random(numbers.shape) < 0.15, rng.integers(0, len(classes) + 1, numbers.shape), numbers
    )
    known = np.unique(moved[moved > 0])
    kept = [int(rng.integers(1, 3)) if rng.random() < 0.2 else classes[own - 1] for own in known]
    return np.where(moved > 0, np.searchsorted(known, moved) + 1, 0), kept


def slow_quality(pictures, classes):
    """Kirillov et al., CVPR 2019, segment by segment."""
    iou, matched, wrong, missed = ([0.0] * classes for _ in range(4))
    for found, ours, truth, theirs, void in pictures:
        hit_ours, hit_theirs = set(), set()
        for i, own in enumerate(ours, start=1):
            for j, other in enumerate(theirs, start=1):
                mine, yours = (found == i) & ~void, (truth == j) & ~void
                union = (mine | yours).sum()
                if own == other and union and (mine & yours).sum() / union > 0.5:
                    iou[own] += (mine & yours).sum() / union
                    matched[own] += 1
                    hit_ours.add(i)
                    hit_theirs.add(j)
        for i, own in enumerate(ours, start=1):
            area = (found == i).sum()
            if i not in hit_ours and area and ((found == i) & void).sum() / area <= 0.5:
                wrong[own] += 1
        for j, other in enumerate(theirs, start=1):
            if j not in hit_theirs and ((truth == j) & ~void).any():
                missed[other] += 1
    counted = [m + w / 2 + f / 2 for m, w, f in zip(matched, wrong, missed, strict=True)]
    return [i / own if own else np.nan for i, own in zip(iou, counted, strict=True)]


@pytest.mark.parametrize("voids", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_panoptic_quality_is_the_published_one(seed, voids):
    rng, tally, pictures = np.random.default_rng(seed), PanopticTally(3), []
    for _ in range(6):
        truth, theirs = scene(rng)
        found, ours = disturbed(rng, truth, theirs)
        void = np.kron(rng.random((6, 6)) < voids, np.ones((4, 4))) > 0
        pictures.append((found, ours, truth, theirs, void))
        tally.add(found, ours, truth, theirs, void)
    np.testing.assert_allclose(tally.quality(), slow_quality(pictures, 3))


def test_panoptic_quality_is_that_of_torchmetrics():
    rng, tally = np.random.default_rng(7), PanopticTally(3)
    other = PanopticQuality(things={1, 2}, stuffs={0}, return_per_class=True)

    def both(numbers, classes):
        labels = np.array([0, *classes])[numbers]
        return torch.from_numpy(np.stack([labels, numbers], -1))[None]

    for _ in range(5):
        truth, theirs = scene(rng)
        found, ours = disturbed(rng, truth, theirs)
        tally.add(found, ours, truth, theirs, np.zeros(truth.shape, bool))
        other.update(both(found, ours), both(truth, theirs))
    # things come first there
    np.testing.assert_allclose(tally.quality()[1:], other.compute()[0, :2].numpy(), rtol=1e-6)


def slow_precision(pictures, threshold):
    """COCO's: the likeliest first, each takes the best object that is left, precision at 101 recalls."""
    of_classes = []
    for label in sorted({own for *_, theirs in pictures for own in theirs}):
        hits, there = [], 0
        for found, ours, scores, truth, theirs in pictures:
            left = [truth == number for number, own in enumerate(theirs, start=1) if own == label]
            there += len(left)
            mine = [(scores[n - 1], found == n) for n, own in enumerate(ours, start=1) if own == label]
            for score, pixels in sorted(mine, key=lambda own: -own[0]):
                overlaps = [(pixels & other).sum() / (pixels | other).sum() for other in left]
                best = int(np.argmax(overlaps)) if overlaps else 0
                hit = bool(overlaps) and overlaps[best] >= threshold
                hits.append((score, hit))
                if hit:
                    left.pop(best)
        ranked = np.array([hit for _, hit in sorted(hits, key=lambda own: -own[0])])
        precision = ranked.cumsum() / np.arange(1, len(ranked) + 1)
        recall = ranked.cumsum() / there
        at = [precision[recall >= level].max(initial=0) for level in np.linspace(0, 1, 101)]
        of_classes.append(np.mean(at))
    return np.mean(of_classes)


def test_mask_precision_is_that_of_coco():
    rng, precision, pictures = np.random.default_rng(3), MaskPrecision(), []
    for _ in range(6):
        truth, theirs = scene(rng)
        found, ours = disturbed(rng, truth, theirs)
        scores = rng.random(len(ours))
        pictures.append((found, ours, scores, truth, theirs))
        mask = np.array([0, *theirs], np.uint8)[truth]
        masks = torch.from_numpy(np.stack([found == own for own in range(1, len(ours) + 1)]))
        own = FoundObjects(masks, torch.tensor(ours), torch.from_numpy(scores))
        precision.add(own, described(truth, mask, NAMES))
    expected = [slow_precision(pictures, threshold) for threshold in np.linspace(0.5, 0.95, 10)]
    assert precision.scores() == pytest.approx((np.mean(expected), expected[0]), abs=1e-6)
    assert 0 < precision.scores()[0] < precision.scores()[1] < 1


def test_without_objects_there_is_no_precision_and_without_finds_none_is_right():
    precision, nothing = MaskPrecision(), FoundObjects(torch.zeros(0, 4, 4), torch.zeros(0), torch.zeros(0))
    assert np.isnan(precision.scores()).all()
    precision.add(nothing, described(np.ones((4, 4), int), np.ones((4, 4), np.uint8), NAMES))
    assert precision.scores() == (0.0, 0.0)


def queries(masks, classes, sure=9.0):
    """Logits of queries that are sure of masks (Q, H, W) and of a class each; 3 is no object."""
    class_logits = torch.full((len(masks), 4), -sure)
    class_logits[torch.arange(len(masks)), torch.tensor(classes)] = sure
    return class_logits, (torch.tensor(np.stack(masks)) * 2.0 - 1) * sure


def halves():
    left, right = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
    left[:, :3], right[:, 5:] = True, True
    return left, right


def test_objects_are_found_by_class_and_mask():
    left, right = halves()
    found = found_objects(*queries([left, right, ~left], [1, 1, 3]), things=[1, 2])
    assert found.classes[:2].tolist() == [1, 1] and (found.scores[:2] > 0.99).all()
    assert {own.numpy().tobytes() for own in found.masks[:2]} == {left.tobytes(), right.tobytes()}
    assert (found.scores[2:] < 0.01).all() and (found.scores.diff() <= 0).all()


def test_segments_do_not_overlap_and_stuff_is_one():
    left, right = halves()
    segments = found_segments(*queries([left, right, ~(left | right)], [1, 1, 0]), things=[1, 2])
    assert sorted(segments.classes) == [0, 1, 1]
    numbers = segments.numbers.numpy()
    assert len(np.unique(numbers)) == 3 and (numbers > 0).all()
    merged = found_segments(*queries([left, right], [0, 0]), things=[1, 2])
    assert merged.classes == [0] and ((merged.numbers > 0).numpy() == (left | right)).all()


def test_a_query_that_others_hide_and_an_unsure_one_have_no_segment():
    left, right = halves()
    whole = np.ones((6, 8), bool)
    class_logits, mask_logits = queries([left, whole, right], [1, 2, 3])
    mask_logits[0] += 1  # it wins its pixels, and leaves the whole one too little
    mask_logits[1] -= 1
    segments = found_segments(class_logits, mask_logits, things=[1, 2])
    assert segments.classes == [1] and ((segments.numbers > 0).numpy() == left).all()
    assert found_segments(*queries([left], [1], sure=0.1), things=[1, 2]).classes == []
