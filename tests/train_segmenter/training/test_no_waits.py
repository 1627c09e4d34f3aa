"""A step asks its device for no value and so never waits for it: shown on a device that has no values."""

from dataclasses import replace

import pytest
import torch

from tests.train_segmenter.shapes import SMALL_TRAINING, Squares, small_model
from train_segmenter.training import loop
from train_segmenter.training.losses import TERMS, Criterion
from train_segmenter.training.optimizer import new_optimizer

DATA = Squares(12)
OPTIONS = replace(SMALL_TRAINING, accumulate=2, clip=1.0, loss="+".join(TERMS))
NOWHERE = torch.device("meta")


@pytest.fixture
def valueless(tmp_path, monkeypatch):
    """A training whose model, average, optimiser and batches hold shapes alone."""
    run = loop._Run(small_model(), DATA, OPTIONS, tmp_path, None, False, True, False)
    for module in (run.step_module, run.average.model):
        module.to(NOWHERE)
    run.optimizer = run.prepared_optimizer = new_optimizer(run.model, OPTIONS)
    run.loss_sum = run.loss_sum.to(NOWHERE)
    monkeypatch.setattr(type(run.accelerator), "device", NOWHERE)
    return run


def test_steps_ask_for_no_value(valueless):
    for number in range(3):
        valueless._step()
        assert valueless.state.loss_count == number + 1
    assert valueless.average.updates == 3 and valueless.loss_sum.device == NOWHERE


@pytest.mark.parametrize("ask", [float, lambda loss: bool(loss > 0), lambda loss: loss.cpu()])
def test_a_step_that_asked_would_be_found_out(ask, valueless, monkeypatch):
    compute = Criterion.__call__

    def asking(own, logits, masks):
        loss = compute(own, logits, masks)
        ask(loss.detach())
        return loss

    monkeypatch.setattr(Criterion, "__call__", asking)
    with pytest.raises((RuntimeError, NotImplementedError)):
        valueless._step()


def test_the_loss_is_asked_for_where_it_is_logged_or_something_is_kept(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(loop, "check_finite", lambda loss, step: asked.append(step))
    options = replace(SMALL_TRAINING, steps=12, log_every=5, save_every=6, evaluate_every=100)
    loop.train(small_model(), DATA, options, tmp_path, cpu=True, progress=False)
    assert asked == [5, 6, 10, 12]
