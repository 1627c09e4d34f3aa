import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny_world
from dataset_builder.noise import segmenter
from dataset_builder.noise.coverage import CoverageBounds, class_coverage
from dataset_builder.noise.filtering import judge, write_table
from dataset_builder.noise.folds import held_out_scores, split_folds
from dataset_builder.noise.prune import Judged, PruneOptions, prune
from dataset_builder.noise.scores import class_scores, quality
from dataset_builder.noise.segmenter import SegmenterTrainer
from tests.train_segmenter.shapes import SMALL_MODEL, SMALL_SIZES, SMALL_TRAINING, Squares
from train_segmenter.data import Sample
from train_segmenter.models import create
from train_segmenter.training.divergence import Diverged


class Pairs:
    """Rendered pairs in memory; those of `wrong` have the mask of another one."""

    class_names = ("background", *tiny_world.CLASSES)

    def __init__(self, count, wrong=()):
        rendered = [tiny_world.render(seed)[:2] for seed in range(count)]
        self.images = [image for image, _ in rendered]
        self.exact = [mask for _, mask in rendered]
        self.masks = [self.exact[(i + 7) % count] if i in wrong else self.exact[i] for i in range(count)]

    def __len__(self):
        return len(self.images)

    def name(self, index):
        return f"pair-{index}"

    def __getitem__(self, index):
        return Sample(self.images[index], self.masks[index], self.name(index))


def test_folds_cover_every_pair_once_and_depend_on_the_seed_alone():
    parts = split_folds(23, 4, seed=5)
    assert sorted(np.concatenate(parts).tolist()) == list(range(23))
    assert {len(part) for part in parts} == {5, 6}
    assert all(np.array_equal(a, b) for a, b in zip(parts, split_folds(23, 4, seed=5), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(parts, split_folds(23, 4, seed=6), strict=True))
    for folds in (1, 24):
        with pytest.raises(ValueError, match=f"{folds} folds of 23 pairs"):
            split_folds(23, folds, seed=0)


def test_no_segmenter_has_seen_the_pairs_that_it_scores():
    source, trained_on = Pairs(9), []

    def train(part, fold):
        trained_on.append({part[index].name for index in range(len(part))})
        return lambda image: np.zeros(image.shape[:2], np.uint8)

    scored = [index for index, _ in held_out_scores(source, 3, 0, train)]
    assert sorted(scored) == list(range(9))
    for fold, names in enumerate(trained_on):
        held_out = {source.name(index) for index in scored[3 * fold : 3 * fold + 3]}
        assert not names & held_out and len(names | held_out) == 9


def test_a_score_is_the_iou_of_each_class_of_the_mask_without_ignored_pixels():
    mask = np.array([[1, 1, 2, 0], [1, 255, 2, 0]], np.uint8)
    prediction = np.array([[1, 0, 2, 2], [1, 1, 0, 3]], np.uint8)
    names = ("background", "dog", "cat", "cow")
    scores = class_scores(prediction, mask, names)
    assert scores == {1: pytest.approx(2 / 3), 2: pytest.approx(1 / 3)}
    without_background = class_scores(prediction, mask, ("road", *names[1:]))
    assert without_background == {0: 0.0, **scores}
    assert quality(scores) == pytest.approx(1 / 3)
    assert quality({}) == 0
    with pytest.raises(ValueError, match="differ in size"):
        class_scores(prediction[:1], mask, names)


def test_coverage_is_the_share_of_all_pixels():
    mask = np.zeros((10, 10), np.uint8)
    mask[:2] = 3
    mask[9] = 255
    assert class_coverage(mask, ("background", "a", "b", "c")) == {3: 0.2}
    assert class_coverage(mask, ("road", "a", "b", "c")) == {0: 0.7, 3: 0.2}
    with pytest.raises(ValueError, match=r"^low must be at most the greatest, 0\.5, not 0\.6"):
        CoverageBounds(0.6, 0.5)


PAIRS = [
    Judged("a", {"dog": 0.9, "cat": 0.4}, {"dog": 0.3, "cat": 0.2}, clip=0.3),
    Judged("b", {"dog": 0.7}, {"dog": 0.01}, clip=0.1),
    Judged("c", {"dog": 0.2}, {"dog": 0.97}, clip=0.3),
    Judged("d", {}, {}, clip=0.3),
]
HEARD = [
    Judged("a", {"dog": 0.9}, {"dog": 0.3}, agreement={"dog": 0.8}, answers={"dog": 0.9}),
    Judged("b", {"dog": 0.9}, {"dog": 0.3}, agreement={"dog": 0.2}, answers={"dog": 0.9}),
    Judged("c", {"dog": 0.9}, {"dog": 0.3}, agreement={"dog": 0.8}, answers={"dog": 0.1}),
    Judged("d", {"dog": 0.9}, {"dog": 0.3}, duplicate_of="a"),
]


def kept(**options):
    return "".join(
        pair.id
        for pair, reason in zip(PAIRS, prune(PAIRS, PruneOptions(**options)), strict=True)
        if not reason
    )


def test_each_rule_drops_its_pairs():
    assert kept(thresholds={"default": 0.0}) == "abc"
    assert kept() == "abc", "the default spares hard but right masks"
    assert kept(thresholds={"default": 0.5}) == "b"
    assert kept(thresholds={"default": 0.5, "cat": 0.3}) == "ab"
    assert kept(thresholds={"default": 0.0}, coverage=CoverageBounds(0.05, 0.94)) == "a"
    bounds = {"dog": CoverageBounds(0.005, 0.94)}
    assert (
        kept(thresholds={"default": 0.0}, coverage=CoverageBounds(0.05, 0.94), class_coverage=bounds) == "ab"
    )
    assert kept(thresholds={"default": 0.0}, least_clip=0.2) == "ac"
    assert kept(keep_fraction=2 / 3) == "ab"
    assert kept(keep_fraction=1.0) == "abc"


def test_of_pairs_that_score_alike_no_more_stay_than_are_asked_for():
    scores = [0.0, 0.9, 0.0, 0.8, 0.0, 0.0]
    pairs = [Judged(str(at), {"dog": score}, {"dog": 0.3}) for at, score in enumerate(scores)]
    reasons = prune(pairs, PruneOptions(keep_fraction=0.5))
    assert [not reason for reason in reasons] == [True, True, False, True, False, False]
    assert reasons[2] == "dog: IoU 0.000 as enough others that stay"
    alike = [Judged(pair.id, {"dog": 0.0}, pair.coverage) for pair in pairs]
    assert not any(prune(alike, PruneOptions(keep_fraction=0.5))), "nothing tells them apart"


def table(pairs, options):
    stream = io.StringIO(newline="")
    write_table(pairs, prune(pairs, options), stream)
    return list(csv.DictReader(io.StringIO(stream.getvalue())))


def test_the_table_says_of_every_pair_what_went_and_why():
    rows = table(PAIRS, PruneOptions({"default": 0.5}))
    assert [row["id"] for row in rows] == ["a", "b", "c", "d"]
    assert [row["kept"] for row in rows] == ["no", "yes", "no", "no"]
    assert rows[0]["reason"] == "cat: IoU 0.400 below 0.500"
    assert rows[3]["reason"] == "the mask is empty"
    assert rows[0]["iou"] == "dog=0.9000 cat=0.4000" and float(rows[0]["quality"]) == 0.4


def test_what_others_say_of_a_pair_is_a_column_and_a_reason():
    options = PruneOptions(least_agreement=0.5, least_yes=0.5, duplicates=4)
    rows = table(HEARD, options)
    assert [row["reason"] for row in rows] == [
        "",
        "dog: second labeller's IoU 0.200 below 0.500",
        "dog: is there with 0.100, below 0.500",
        "almost the picture of a",
    ]
    assert [row["agreement"] for row in rows] == ["dog=0.8000", "dog=0.2000", "dog=0.8000", ""]
    assert [row["answers"] for row in rows] == ["dog=0.9000", "dog=0.9000", "dog=0.1000", ""]
    assert [row["duplicate_of"] for row in rows] == ["", "", "", "a"]
    assert prune(HEARD[:3], PruneOptions()) == ["", "", ""], "without a bound, columns alone"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": {"cat": 0.5}}, "under the name 'default'"),
        ({"keep_fraction": 0}, "keep_fraction must be above 0, not 0"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PruneOptions(**options)


def test_wrong_masks_are_found_by_segmenters_that_are_about_right():
    wrong = {3, 11, 17, 24}
    source = Pairs(30, wrong)

    def train(part, fold):
        exact = {image.tobytes(): mask for image, mask in zip(source.images, source.exact, strict=True)}
        return lambda image: np.roll(exact[image.tobytes()], 2, axis=1)

    judged = judge(source, 3, 0, train)
    assert [pair.id for pair in judged] == [source.name(index) for index in range(30)]
    dropped = {index for index, reason in enumerate(prune(judged, PruneOptions())) if reason}
    assert dropped == wrong


def test_segmenters_that_diverge_are_in_no_better_ones_way(tmp_path, monkeypatch):
    def lost(*arguments, **options):
        model = create(*arguments, **options)
        torch.nn.init.constant_(next(model.parameters()), float("nan"))
        return model

    bad = SegmenterTrainer(SMALL_MODEL, SMALL_TRAINING, tmp_path, "none", SMALL_SIZES, progress=False)
    good = replace(bad, options=replace(SMALL_TRAINING, learning_rate=1e-3))
    with monkeypatch.context() as patch, pytest.raises(Diverged):
        patch.setattr(segmenter, "create", lost)
        bad(Squares(4), 0)
    assert good(Squares(4), 0)(Squares(1)[0].image).shape == (32, 32)
