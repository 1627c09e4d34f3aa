"""Scores follow the published protocols; windows, scales and flips average what they should."""

import json
import math
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from tests.train_segmenter.shapes import NAMES, Squares
from train_segmenter.data import Sample
from train_segmenter.data.tables import cityscapes_labels, cityscapes_names, voc_names
from train_segmenter.evaluation import Inference, Report, evaluate
from train_segmenter.evaluation.boundary import boundary_counts, inner_boundary
from train_segmenter.evaluation.inference import slide, starts
from train_segmenter.evaluation.judge import Share, merge
from train_segmenter.evaluation.open_vocabulary import VOC_UNSEEN, split_scores
from train_segmenter.evaluation.pictures import worst_pictures
from train_segmenter.mean_iou import JointHistogram


class Colours(nn.Module):
    """Stands for a segmenter: a pixel's class is that of the nearest colour (grey, red, blue); no context."""

    class_names = NAMES

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
        self.seen = []

    def forward(self, images):
        self.seen.append(tuple(images.shape))
        red, _, blue = images.unbind(1)
        return 20 * torch.stack([0.15 * torch.ones_like(red), red - blue, blue - red], 1)


class Pairs:
    def __init__(self, class_names, samples):
        self.class_names, self.samples = class_names, samples

    def __len__(self):
        return len(self.samples)

    def name(self, index):
        return self.samples[index].name

    def __getitem__(self, index):
        return self.samples[index]


def report_of(names, predictions, references):
    histogram = JointHistogram()
    for prediction, reference in zip(predictions, references, strict=True):
        histogram.add(prediction, reference)
    return Report(names, histogram.confusion(len(names)), len(predictions))


def test_voc_protocol_against_torchmetrics():
    rng = np.random.default_rng(0)
    references = rng.choice([*range(18), 255], (4, 30, 40)).astype(np.uint8)
    predictions = np.where(
        rng.random(references.shape) < 0.6, references, rng.integers(0, 18, references.shape)
    )
    predictions = np.where(predictions == 255, 3, predictions).astype(np.uint8)
    report = report_of(voc_names(), predictions, references)
    arguments = {"num_classes": 21, "ignore_index": 255, "average": None}
    tensors = torch.from_numpy(predictions).long(), torch.from_numpy(references).long()
    theirs = MulticlassJaccardIndex(**arguments)(*tensors).numpy()
    present = np.arange(21) < 18
    np.testing.assert_allclose(report.iou[present], theirs[present], rtol=1e-6)
    assert np.isnan(report.iou[~present]).all(), "classes in neither are absent"
    assert report.mean_iou == pytest.approx(theirs[present].mean(), rel=1e-6)
    accuracy = MulticlassAccuracy(**arguments)(*tensors).numpy()
    ours = [report.to_dict()["accuracy"][name] for name in voc_names()[:18]]
    np.testing.assert_allclose(ours, accuracy[present], rtol=1e-6)
    assert report.to_dict()["overall_accuracy"] == pytest.approx(
        float(MulticlassAccuracy(num_classes=21, ignore_index=255, average="micro")(*tensors))
    )


def test_cityscapes_protocol_as_the_benchmark_publishes_it():
    """IoU = TP / (TP + FP + FN) over label ids, where pixels of labels that are ignored count nowhere."""
    rng = np.random.default_rng(1)
    labels = cityscapes_labels()
    references = rng.choice(list(labels), (3, 40, 50))  # label ids, as in the files
    evaluated = [label for label, (_, train) in labels.items() if train != 255]
    predictions = np.where(
        rng.random(references.shape) < 0.5, references, rng.choice(evaluated, references.shape)
    )
    predictions = np.where(np.isin(predictions, evaluated), predictions, 7)
    expected = {}
    for label in evaluated:
        counted = np.isin(references, evaluated)
        hits = ((predictions == label) & (references == label)).sum()
        false_positives = ((predictions == label) & (references != label) & counted).sum()
        false_negatives = ((predictions != label) & (references == label)).sum()
        expected[labels[label][0]] = hits / (hits + false_positives + false_negatives)
    train_id = np.vectorize(lambda label: labels[label][1])
    report = report_of(cityscapes_names(), train_id(predictions), train_id(references))
    assert report.to_dict()["iou"] == pytest.approx(expected)
    assert report.mean_iou == pytest.approx(np.mean(list(expected.values())))


def eroded_once(mask):
    padded = np.pad(mask, 1)
    neighbours = [padded[1 + y : 1 + y + mask.shape[0], 1 + x : 1 + x + mask.shape[1]]
                  for y in (-1, 0, 1) for x in (-1, 0, 1)]  # fmt: skip
    return np.logical_and.reduce(neighbours)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_boundaries_are_what_repeated_erosion_removes(width):
    mask = np.random.default_rng(width).random((40, 31)) < 0.93
    mask[10:30, 5:25] = True
    eroded = mask
    for _ in range(width):
        eroded = eroded_once(eroded)
    np.testing.assert_array_equal(inner_boundary(mask, width), mask & ~eroded)


def test_boundary_iou_by_its_definition():
    prediction, reference = (np.zeros((60, 80), np.uint8) for _ in range(2))
    reference[10:40, 10:50] = 1
    prediction[12:42, 10:50] = 1
    reference[:, 70:] = 255
    width = round(0.02 * math.hypot(60, 80))
    assert width == 2
    for label in (0, 1):
        edges = []
        for mask in (prediction == label, reference == label):
            inner = eroded_once(eroded_once(mask))
            edges.append(mask & ~inner & (reference != 255))
        expected = (edges[0] & edges[1]).sum(), (edges[0] | edges[1]).sum()
        np.testing.assert_array_equal(boundary_counts(prediction, reference, 3)[:, label], expected)
    assert (boundary_counts(prediction, reference, 3)[:, 2] == 0).all()


def test_the_voc_15_5_split_and_its_harmonic_mean():
    names = voc_names()
    iou = np.linspace(0.1, 0.9, 21)
    iou[3] = np.nan
    split = split_scores(names, iou)
    unseen = [names.index(name) for name in VOC_UNSEEN]
    assert unseen == [16, 17, 18, 19, 20]
    seen = np.nanmean(iou[1:16])
    assert split["seen"] == pytest.approx(seen) and split["unseen"] == pytest.approx(iou[16:].mean())
    assert split["harmonic"] == pytest.approx(2 / (1 / seen + 1 / iou[16:].mean()))
    with pytest.raises(ValueError, match="zebra"):
        split_scores(names, iou, ("zebra",))


def test_windows_cover_everything_once_weighted():
    images = torch.rand(1, 3, 23, 31)
    whole = slide(lambda part: part[:, :2] * 2, images, window=10, stride=7)
    torch.testing.assert_close(whole, images[:, :2] * 2)
    assert starts(23, 10, 7) == [0, 7, 13] and starts(10, 10, 7) == [0] and starts(4, 10, 7) == [0]


def test_so_many_windows_that_one_picture_would_take_minutes_are_refused():
    looked = []
    with pytest.raises(ValueError, match=r"2 pixels at every 1 looks 9,801 times at .* 100 × 100 pixels"):
        slide(looked.append, torch.zeros(1, 3, 100, 100), window=2, stride=1)
    assert not looked


def test_where_windows_overlap_their_mean_counts():
    values = iter([1.0, 3.0])
    total = slide(lambda part: torch.full_like(part[:, :1], next(values)), torch.zeros(1, 3, 4, 6), 4, 2)
    np.testing.assert_allclose(total[0, 0, 0], [1, 1, 2, 2, 3, 3])


def test_scales_and_mirrored_copies_are_averaged():
    class Left(Colours):  # likes the left half, whatever is in it
        def forward(self, images):
            self.seen.append(tuple(images.shape))
            ramp = torch.linspace(4, -4, images.shape[-1]).expand(len(images), 1, *images.shape[-2:])
            return torch.cat([ramp, torch.zeros_like(ramp), -ramp], 1)

    model = Left()
    images = torch.rand(1, 3, 16, 20)
    plain = Inference().probabilities(model, images)
    both = Inference(flip=True).probabilities(model, images)
    torch.testing.assert_close(both, (plain + plain.flip(-1)) / 2)
    model.seen.clear()
    scaled = Inference(scales=(0.5, 1.0, 1.5)).probabilities(model, images)
    assert model.seen == [(1, 3, 8, 10), (1, 3, 16, 20), (1, 3, 24, 30)]
    torch.testing.assert_close(scaled.sum(1), torch.ones(1, 16, 20))
    assert scaled.shape == plain.shape and not torch.allclose(scaled, plain)


def test_windows_of_a_model_without_context_change_nothing():
    model, images = Colours(), torch.rand(1, 3, 33, 29)
    whole = Inference().probabilities(model, images)
    torch.testing.assert_close(Inference(window=16, stride=5).probabilities(model, images), whole)
    assert {shape[-2:] for shape in model.seen[1:]} == {(16, 16)}


@pytest.mark.parametrize(
    "options", [{"window": 0}, {"window": 8, "stride": 9}, {"stride": 3}, {"scales": (0,)}]
)
def test_impossible_inference_is_refused(options):
    with pytest.raises(ValueError):
        Inference(**options)


def test_a_right_model_scores_one_and_the_worst_are_found(tmp_path):
    samples = [Squares(6)[index] for index in range(6)]
    spoiled = samples[4].mask.copy()
    spoiled[samples[4].mask == 1] = 2
    samples[4] = Sample(samples[4].image, spoiled, "spoiled.png")
    larger = Squares(1, size=48)[0]
    source = Pairs(NAMES, [*samples, larger])
    model = Colours().train()
    report = evaluate(model, source, batch_size=4, boundary=True, worst=2, progress=False)
    assert model.training, "the mode is put back"
    assert report.worst[0].name == "spoiled.png" and report.worst[0].index == 4
    assert report.worst[0].mean_iou < 0.9 < report.worst[1].mean_iou
    assert report.images == 7 and len(model.seen) < (7 - 1), "neighbours of a size go through at once"
    perfect = evaluate(model, Pairs(NAMES, samples[:4]), boundary=True, progress=False)
    assert perfect.mean_iou == 1 and np.nanmin(perfect.boundary_iou) == 1
    pictures = worst_pictures(report, model, source, Inference(), tmp_path / "worst")
    assert [path.name for path in pictures] == ["00-spoiled.png", "01-square 0.png"] or len(pictures) == 2
    with Image.open(pictures[0]) as sheet:
        assert sheet.width >= 3 * 32


class Watched(Squares):
    """Says when its last pair is read."""

    read_all = threading.Event()

    def __getitem__(self, index):
        if index == self.count - 1:
            self.read_all.set()
        return super().__getitem__(index)


class Patient(Colours):
    """Predicts nothing before the last pair is read."""

    def forward(self, images):
        assert Watched.read_all.wait(20), "the next pairs are read while a batch is predicted"
        return super().forward(images)


def test_pairs_are_read_before_they_are_asked_for():
    found = evaluate(Patient(), Watched(6), batch_size=2, progress=False)
    assert found.to_dict() == evaluate(Colours(), Squares(6), batch_size=1, progress=False).to_dict()


def test_a_pair_that_cannot_be_read_ends_the_evaluation():
    class Faulty(Squares):
        def __getitem__(self, index):
            if index == 3:
                raise OSError("square 3 is gone")
            return super().__getitem__(index)

    with pytest.raises(OSError, match="square 3 is gone"):
        evaluate(Colours(), Faulty(6), progress=False)


def test_processes_shares_merge_to_the_whole():
    source, model = Squares(7), Colours()
    options = {"boundary": True, "worst": 3, "progress": False}
    whole = evaluate(model, source, **options)
    merged = merge([evaluate(model, source, share=Share(rank, 3), **options) for rank in range(3)])
    assert merged.to_dict() == whole.to_dict()


def test_reports_are_json_with_null_for_absent_classes_and_a_table():
    names = ("background", "red", "blue", "green")
    reference = np.array([[0, 1, 2, 255]])
    report = report_of(names, [np.array([[0, 1, 1, 0]])], [reference])
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["iou"] == {"background": 1.0, "red": 0.5, "blue": 0.0, "green": None}
    assert content["confusion"] == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    table = report.table().splitlines()
    assert table[4].split() == ["green", "absent", "absent"] and table[5].split()[:2] == ["mean", "0.5000"]


def test_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match=r"The model knows.*Map"):
        evaluate(Colours(), Squares(1, class_names=("background", "blue", "red")), progress=False)
