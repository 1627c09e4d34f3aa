"""The streaming metric equals the published one, and reduces over processes."""

import multiprocessing

import evaluate
import numpy as np
import pytest
import torch

from train_segmenter.mean_iou import mean_iou, path

FOLDER = path()


def public_mean_iou(
    predictions, references, num_labels, ignore_index, nan_to_num=None, label_map=None, reduce=False
):
    """The public metric's definition: per image, histograms of hits, predictions and references."""
    areas = np.zeros((3, num_labels))
    for prediction, reference in zip(predictions, references, strict=True):
        prediction, reference = np.array(prediction).astype(int), np.array(reference).astype(int)
        mapped = reference.copy()
        for old, new in (label_map or {}).items():
            mapped[reference == old] = new
        if reduce:
            mapped[mapped == 0] = 255
            mapped = mapped - 1
            mapped[mapped == 254] = 255
        kept = mapped != ignore_index
        prediction, mapped = prediction[kept], mapped[kept]
        for row, values in enumerate((prediction[prediction == mapped], prediction, mapped)):
            areas[row] += np.histogram(values, bins=num_labels, range=(0, num_labels - 1))[0]
    hits, predicted, present = areas
    with np.errstate(invalid="ignore", divide="ignore"):
        iou, accuracy, overall = (
            hits / (predicted + present - hits),
            hits / present,
            hits.sum() / present.sum(),
        )
    results = {
        "mean_iou": np.nanmean(iou),
        "mean_accuracy": np.nanmean(accuracy),
        "overall_accuracy": overall,
        "per_category_iou": iou,
        "per_category_accuracy": accuracy,
    }
    if nan_to_num is not None:
        results = {name: np.nan_to_num(value, nan=nan_to_num) for name, value in results.items()}
    return results


@pytest.fixture(scope="module")
def metric():
    return evaluate.load(FOLDER)


def random_maps(seed, ids, dtype=np.uint8, shapes=((9, 7), (5, 12), (1, 1))):
    rng = np.random.default_rng(seed)
    return [rng.choice(np.array(ids), shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize(
    ("ids", "options"),
    [
        (range(6), {"num_labels": 6, "ignore_index": 255}),
        ([*range(6), 255], {"num_labels": 6, "ignore_index": 255}),
        ([1, 3, 255], {"num_labels": 9, "ignore_index": 255}),  # absent classes
        ([1, 3], {"num_labels": 9, "ignore_index": 255, "nan_to_num": -1}),
        (range(6), {"num_labels": 6, "ignore_index": 0}),
        ([0, 1, 2, 255], {"num_labels": 3, "ignore_index": 255, "label_map": {0: 1, 1: 0, 2: 255}}),
        ([*range(1, 5), 255], {"num_labels": 5, "ignore_index": 255, "reduce_labels": True}),
        ([120, 127, 128, 200, 255], {"num_labels": 201, "ignore_index": 255}),
        ([0], {"num_labels": 1, "ignore_index": 255}),
    ],
)
def test_equals_the_public_metric(metric, ids, options):
    ids = list(ids)
    predictions, references = random_maps(1, ids), random_maps(2, ids)
    expected_options = dict(options)
    expected_options["reduce"] = expected_options.pop("reduce_labels", False)
    expected = public_mean_iou(predictions, references, **expected_options)
    as_module = metric.compute(predictions=predictions, references=references, **options)
    as_function = mean_iou(predictions, references, **options)
    for name, value in expected.items():
        np.testing.assert_array_equal(as_module[name], value, err_msg=name)
        np.testing.assert_array_equal(as_function[name], value, err_msg=name)


def test_ids_beyond_a_byte_count_as_the_public_metric_counts_them():
    predictions, references = (
        random_maps(3, [0, 5, 300, 846], np.int64),
        random_maps(4, [0, 5, 300, 846], np.int64),
    )
    expected = public_mean_iou(predictions, references, 847, 300)
    np.testing.assert_array_equal(
        mean_iou(predictions, references, 847, 300)["per_category_iou"], expected["per_category_iou"]
    )


def test_everything_ignored_is_nan_without_a_warning(metric):
    nothing = np.full((1, 4, 4), 255)
    result = metric.compute(predictions=nothing, references=nothing, num_labels=3, ignore_index=255)
    assert np.isnan(result["mean_iou"]) and np.isnan(result["overall_accuracy"])
    assert np.isnan(result["per_category_iou"]).all()


def test_streaming_in_batches_of_any_input_kind_equals_one_call(metric):
    predictions, references = random_maps(5, range(4)), random_maps(6, range(4))
    whole = metric.compute(predictions=predictions, references=references, num_labels=4, ignore_index=255)
    metric.add(prediction=torch.from_numpy(predictions[0]), reference=references[0].tolist())
    metric.add_batch(
        predictions=predictions[1:], references=[torch.from_numpy(r).long() for r in references[1:]]
    )
    streamed = metric.compute(num_labels=4, ignore_index=255)
    np.testing.assert_array_equal(streamed["per_category_iou"], whole["per_category_iou"])
    afterwards = metric.compute(predictions=[[[0]]], references=[[[0]]], num_labels=1, ignore_index=255)
    assert afterwards["mean_iou"] == 1, "compute must start the counts anew"


def test_mistakes_are_named(metric):
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        metric.add(prediction=np.zeros((2, 3), int), reference=np.zeros((3, 2), int))
    with pytest.raises(ValueError, match="2 predictions but 1 references"):
        metric.add_batch(predictions=np.zeros((2, 3, 3), int), references=np.zeros((1, 3, 3), int))
    with pytest.raises(TypeError, match="float"):
        metric.add(prediction=np.zeros((2, 2)), reference=np.zeros((2, 2), int))
    with pytest.raises(ValueError, match="num_labels"):
        metric.compute(predictions=[[[0]]], references=[[[0]]])
    with pytest.raises(ValueError, match="no predictions"):
        metric.compute(predictions=[], references=[], num_labels=2)
    with pytest.raises(ValueError, match="num_labels"):
        metric.compute(predictions=[[[0]]], references=[[[0]]], num_labels=0)


@pytest.mark.parametrize("foreign", [-1, 2, 254, 300])
def test_ids_that_are_of_no_class_are_refused_and_uncertain_predictions_are_wrong(foreign):
    with pytest.raises(ValueError, match=rf"references hold the id {foreign}, and num_labels is 2"):
        mean_iou([[[0, 1]]], [[[0, foreign]]], 2)
    with pytest.raises(ValueError, match=rf"predictions hold the id {foreign}"):
        mean_iou([[[0, foreign]]], [[[0, 1]]], 2)
    assert mean_iou([[[0, 255]]], [[[0, 1]]], 2)["overall_accuracy"] == 0.5


def _file_process(process_id, cache, results):
    metric = evaluate.load(
        FOLDER, num_process=2, process_id=process_id, experiment_id="pair", cache_dir=cache
    )
    metric.add_batch(
        predictions=random_maps(process_id, range(4)),
        references=random_maps(process_id + 9, [*range(4), 300], int),
    )
    results.put((process_id, metric.compute(num_labels=301, ignore_index=255)))


def _gloo_process(process_id, store, results):
    torch.distributed.init_process_group("gloo", f"file://{store}", world_size=2, rank=process_id)
    metric = evaluate.load(FOLDER)
    metric.add_batch(
        predictions=random_maps(process_id, range(4)),
        references=random_maps(process_id + 9, [*range(4), 300], int),
    )
    results.put((process_id, metric.compute(num_labels=301, ignore_index=255)))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(("target", "who_knows"), [(_file_process, [0]), (_gloo_process, [0, 1])])
def test_two_processes_together_equal_one(tmp_path, target, who_knows):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [
        context.Process(target=target, args=(rank, str(tmp_path / "shared"), results)) for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    gathered = dict(results.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
    expected = public_mean_iou(
        random_maps(0, range(4)) + random_maps(1, range(4)),
        random_maps(9, [*range(4), 300], int) + random_maps(10, [*range(4), 300], int),
        301,
        255,
    )
    for rank in range(2):
        if rank in who_knows:
            np.testing.assert_array_equal(gathered[rank]["per_category_iou"], expected["per_category_iou"])
        else:
            assert gathered[rank] is None
