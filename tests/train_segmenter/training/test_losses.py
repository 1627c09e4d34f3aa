"""Losses equal their definitions written as loops, and ignored pixels change nothing."""

import numpy as np
import pytest
import torch

from train_segmenter.training.losses import Criterion

NAMES = ["ce", "focal", "dice", "ce+0.5*dice"]


def example():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    masks = torch.randint(0, 3, (2, 5, 6))  # class 3 is absent
    masks[0, :2] = 255
    return logits, masks


def definition(name, logits, masks):
    probabilities = torch.softmax(logits, 1).numpy()
    masks = masks.numpy()
    counted = np.argwhere(masks != 255)
    right = np.array([probabilities[b, masks[b, y, x], y, x] for b, y, x in counted])
    if name == "ce":
        return -np.log(right).mean()
    if name == "focal":
        return -((1 - right) ** 2 * np.log(right)).mean()
    coefficients = []
    for label in range(logits.shape[1]):
        p = np.array([probabilities[b, label, y, x] for b, y, x in counted])
        t = np.array([masks[b, y, x] == label for b, y, x in counted], float)
        if t.sum():
            coefficients.append((2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
    return 1 - np.mean(coefficients)


@pytest.mark.parametrize("name", ["ce", "focal", "dice"])
def test_each_term_is_its_definition(name):
    logits, masks = example()
    assert float(Criterion.parse(name)(logits, masks)) == pytest.approx(
        definition(name, logits, masks), rel=1e-5
    )


def test_sums_are_weighted():
    logits, masks = example()
    expected = 2 * definition("focal", logits, masks) + 0.5 * definition("dice", logits, masks)
    assert float(Criterion.parse("2*focal + 0.5*dice")(logits, masks)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_ignored_pixels_give_no_gradient(name):
    logits, masks = example()
    logits.requires_grad_()
    Criterion.parse(name)(logits, masks).backward()
    gradient = logits.grad.abs().sum(1)
    assert (gradient[masks == 255] == 0).all() and (gradient[masks != 255] > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_wholly_ignored_batch_costs_nothing(name):
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = Criterion.parse(name)(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("words", ["lovasz", "ce+", "x*ce"])
def test_unknown_terms_are_named(words):
    with pytest.raises(ValueError, match=r"Unknown loss|no number above 0"):
        Criterion.parse(words)
