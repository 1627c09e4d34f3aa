"""Mean intersection over union, streamed: drop-in for the public `mean_iou` metric of `evaluate`.

Every added pair is folded at once into a joint histogram of raw ids; ignore index, label map, label reduction
and the number of labels act on that histogram in `compute`, so memory does not grow with the data.
"""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import evaluate
import numpy as np
import torch

_DESCRIPTION = """
Intersection over union of predicted and reference segmentation maps, per class and averaged, and accuracies.
Counts are summed over all images before the ratio is taken; a class in neither map is NaN, outside the mean.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: segmentation maps of class ids, each (height, width): arrays, tensors, lists or PIL images.
    references: segmentation maps of the same shapes.
    num_labels (`int`): number of classes. Other ids than 0 .. num_labels - 1 are an error, but for references
        to ignore; a prediction of the ignored id, or of 255, is of no class, and wrong.
    ignore_index (`int`): pixels with this reference id count nowhere (compared after map and reduction).
    nan_to_num (`float`, *optional*): replaces NaN in the results.
    label_map (`dict`, *optional*): new reference id of an old one; all mappings act on the original ids.
    reduce_labels (`bool`, defaults to `False`): reference id 0 becomes 255 and the others move down by 1.
Returns:
    `dict` with `mean_iou`, `mean_accuracy`, `overall_accuracy` (floats), `per_category_iou` and
    `per_category_accuracy` (arrays of num_labels).
Examples:
    >>> import numpy as np
    >>> metric = evaluate.load("train_segmenter/mean_iou")
    >>> metric.add_batch(predictions=np.array([[[0, 1]]]), references=np.array([[[0, 255]]]))
    >>> float(metric.compute(num_labels=2, ignore_index=255)["mean_iou"])
    1.0
"""

_CITATION = """
@article{everingham2015pascal,
  title = {The {PASCAL} Visual Object Classes Challenge: A Retrospective},
  author = {Everingham, Mark and others}, journal = {IJCV}, year = {2015}
}"""

UNCERTAIN = 255
IDS = 256  # ids of a uint8 mask; pairs with any other id are counted one by one
_CHUNK = 30_000  # pixels: they fit the cache, and torch starts no threads for so few, which would cost more


class JointHistogram:
    """Counts of (reference id, predicted id) pairs over all pixels added so far."""

    def __init__(self) -> None:
        # (reference, prediction), both ids moved up by one with wrap-around: the usual 255 becomes 0, so that
        # the counts of common masks lie in a small corner.
        self._dense = np.zeros((IDS, IDS), dtype=np.int64)
        self._other: Counter[tuple[int, int]] = Counter()  # pairs with an id outside 0 .. 255

    def add(self, prediction: Any, reference: Any) -> None:
        """Adds one pair of equally shaped integer maps."""
        prediction, reference = _ids(prediction), _ids(reference)
        if prediction.shape != reference.shape:
            raise ValueError(
                f"A prediction of shape {prediction.shape} cannot be compared with a reference of shape "
                f"{reference.shape}. Resize the prediction to the reference first."
            )
        prediction, reference = prediction.reshape(-1), reference.reshape(-1)
        for start in range(0, prediction.size, _CHUNK):
            self._add_chunk(prediction[start : start + _CHUNK], reference[start : start + _CHUNK])

    def _add_chunk(self, prediction: np.ndarray, reference: np.ndarray) -> None:
        small_prediction, small_reference = _as_uint8(prediction), _as_uint8(reference)
        if small_prediction is not None and small_reference is not None:
            self._add_uint8(small_prediction, small_reference)
        else:
            self._add_any(prediction.astype(np.int64), reference.astype(np.int64))

    def _add_uint8(self, prediction: np.ndarray, reference: np.ndarray) -> None:
        prediction, reference = prediction + np.uint8(1), reference + np.uint8(1)
        size = 1 + max(int(prediction.max(initial=0)), int(reference.max(initial=0)))
        pairs = np.multiply(reference, size, dtype=np.int16 if size**2 <= 2**15 else np.int32)
        pairs += prediction
        counts = torch.bincount(torch.from_numpy(pairs), minlength=size * size)
        self._dense[:size, :size] += counts.numpy().reshape(size, size)

    def _add_any(self, prediction: np.ndarray, reference: np.ndarray) -> None:
        pixels = np.stack([reference, prediction])
        pairs, counts = np.unique(pixels, axis=1, return_counts=True)
        self.add_pairs(np.stack([*pairs, counts], axis=1))

    def pairs(self) -> np.ndarray:
        """The non-zero counts as rows (reference id, predicted id, count), int64 (N, 3)."""
        reference, prediction = np.nonzero(self._dense)
        counts = self._dense[reference, prediction]
        dense = np.stack([(reference - 1) % IDS, (prediction - 1) % IDS, counts], axis=1)
        other = [(old, new, count) for (old, new), count in self._other.items()]
        return np.concatenate([dense, np.array(other, dtype=np.int64).reshape(-1, 3)])

    def add_pairs(self, pairs: np.ndarray) -> None:
        """Adds the counts of another histogram, as given by its `pairs`."""
        for old, new, count in pairs.tolist():
            if 0 <= old < IDS and 0 <= new < IDS:
                self._dense[(old + 1) % IDS, (new + 1) % IDS] += count
            else:
                self._other[old, new] += count

    def confusion(
        self,
        num_labels: int,
        ignore_index: int | None = 255,
        label_map: dict[int, int] | None = None,
        reduce_labels: bool = False,
    ) -> np.ndarray:
        """Confusion matrix int64 (num_labels + 1, num_labels + 1), rows references, columns predictions.

        The last column gathers predictions that are of no class, as 255; the last row is 0.
        """
        if not isinstance(num_labels, int) or isinstance(num_labels, bool) or num_labels < 1:
            raise ValueError(f"num_labels is the number of classes, at least 1, not {num_labels!r}.")
        if ignore_index is not None and not isinstance(ignore_index, int | np.integer):
            raise ValueError(f"ignore_index is an id, as 255, or None, not {ignore_index!r}.")
        reference, prediction, count = self.pairs().T
        original = reference.copy()
        for old, new in (label_map or {}).items():
            reference[original == int(old)] = int(new)
        if reduce_labels:
            reference = np.where((reference == 0) | (reference == 255), 255, reference - 1)
        if ignore_index is not None:
            kept = reference != ignore_index
            reference, prediction, count = reference[kept], prediction[kept], count[kept]
        _check_ids(reference, num_labels, "references", set())
        _check_ids(prediction, num_labels, "predictions", {ignore_index, UNCERTAIN})
        matrix = np.zeros((num_labels + 1, num_labels + 1), dtype=np.int64)
        rows = np.where((reference >= 0) & (reference < num_labels), reference, num_labels)
        columns = np.where((prediction >= 0) & (prediction < num_labels), prediction, num_labels)
        np.add.at(matrix, (rows, columns), count)
        return matrix


def scores(confusion: np.ndarray, nan_to_num: float | None = None) -> dict:
    """IoU and accuracies of a matrix (num_labels + 1, num_labels + 1) made by `JointHistogram.confusion`."""
    hits = np.diagonal(confusion)[:-1].astype(np.float64)
    references, predictions = confusion.sum(axis=1)[:-1], confusion.sum(axis=0)[:-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = hits / (references + predictions - hits)
        accuracy = hits / references
        overall = hits.sum() / references.sum()
    results = {
        "mean_iou": _nanmean(iou),
        "mean_accuracy": _nanmean(accuracy),
        "overall_accuracy": overall,
        "per_category_iou": iou,
        "per_category_accuracy": accuracy,
    }
    if nan_to_num is not None:
        results = {name: np.nan_to_num(value, nan=nan_to_num) for name, value in results.items()}
    return results


def mean_iou(
    predictions: Any, references: Any, num_labels: int, ignore_index: int | None = 255, **options: Any
) -> dict:
    """The metric as one call, without `evaluate`; `options` as for `MeanIoU.compute`.

    predictions, references: integer arrays (H, W) of ids, in a list or with a first axis of images.
    """
    nan_to_num = options.pop("nan_to_num", None)
    histogram = JointHistogram()
    _add_all(histogram, predictions, references)
    return scores(histogram.confusion(num_labels, ignore_index, **options), nan_to_num)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class MeanIoU(evaluate.Metric):
    """Streaming mean IoU.

    Processes are reduced in `compute`: over `torch.distributed` where it is initialised (every process gets
    the result), else through files where the module was loaded with `num_process` (only process 0 gets it).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._histogram = JointHistogram()
        if self.num_process > 1:  # what an interrupted run may have left
            self._shared_file(self.process_id).unlink(missing_ok=True)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Image(), "references": datasets.Image()}),
            reference_urls=["http://host.robots.ox.ac.uk/pascal/VOC/"],
        )

    def add(self, *, prediction: Any = None, reference: Any = None) -> None:
        """Adds one pair of maps (height, width)."""
        self._histogram.add(prediction, reference)

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Adds equally many predictions and references, each (height, width); sizes may differ."""
        _add_all(self._histogram, predictions, references)

    def compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        num_labels: int | None = None,
        **options: Any,
    ) -> dict | None:
        """Results over everything added (and the maps given here); the counts then start anew."""
        if num_labels is None:
            raise ValueError("num_labels is needed: the number of classes, background included.")
        if predictions is not None or references is not None:
            self.add_batch(predictions=predictions, references=references)
        histogram, self._histogram = self._histogram, JointHistogram()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            histogram = _gathered(histogram)
        elif self.num_process > 1:
            collected = self._collected(histogram)
            if collected is None:
                return None
            histogram = collected
        nan_to_num = options.pop("nan_to_num", None)
        return scores(histogram.confusion(num_labels, **options), nan_to_num)

    def _compute(self, predictions: Any, references: Any, num_labels: int, **options: Any) -> dict:
        return mean_iou(predictions, references, num_labels, **options)

    def _shared_file(self, process_id: int) -> Path:
        folder = Path(self.data_dir)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.experiment_id}-{self.num_process}-{process_id}.npy"

    def _collected(self, histogram: JointHistogram) -> JointHistogram | None:
        if self.process_id > 0:
            final = self._shared_file(self.process_id)
            with open(final.with_suffix(".partial"), "wb") as file:
                np.save(file, histogram.pairs())
            os.replace(final.with_suffix(".partial"), final)
            return None
        deadline = time.monotonic() + self.timeout
        for process_id in range(1, self.num_process):
            path = self._shared_file(process_id)
            while not path.exists():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"Process {process_id} wrote no counts to {path}.")
                time.sleep(0.02)
            histogram.add_pairs(np.load(path))
            path.unlink()
        return histogram


def _gathered(histogram: JointHistogram) -> JointHistogram:
    parts: list = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, histogram.pairs())
    total = JointHistogram()
    for part in parts:
        total.add_pairs(part)
    return total


def _add_all(histogram: JointHistogram, predictions: Any, references: Any) -> None:
    if predictions is None or references is None:
        raise ValueError("predictions and references are both needed.")
    if len(predictions) != len(references):
        raise ValueError(f"There are {len(predictions)} predictions but {len(references)} references.")
    if len(predictions) == 0:
        raise ValueError("There are no predictions and references: give one map of each at least.")
    for prediction, reference in zip(predictions, references, strict=True):
        histogram.add(prediction, reference)


def _ids(values: Any) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    values = np.asarray(values)
    if values.dtype.kind not in "biu":
        raise TypeError(f"Segmentation maps hold integer ids, not {values.dtype}. Take the arg-max first.")
    return values


def _check_ids(ids: np.ndarray, num_labels: int, what: str, also: set[int | None]) -> None:
    foreign = sorted({int(own) for own in ids if not 0 <= own < num_labels} - also)
    if foreign:
        raise ValueError(
            f"The {what} hold the id {', '.join(map(str, foreign[:5]))}, and num_labels is {num_labels}: ids "
            f"go from 0 to {num_labels - 1}. Count all classes, or map the ids first."
        )


def _as_uint8(ids: np.ndarray) -> np.ndarray | None:
    """The ids as uint8, or None where one does not fit."""
    if ids.dtype == np.uint8:
        return ids
    # Seen as unsigned, a negative id is a large one: one pass finds both.
    unsigned = ids.view(f"u{ids.dtype.itemsize}") if ids.dtype.kind == "i" else ids
    return ids.astype(np.uint8) if unsigned.max(initial=0) < IDS else None


def _nanmean(values: np.ndarray) -> np.float64:
    present = values[~np.isnan(values)]
    return present.mean() if present.size else np.float64("nan")
