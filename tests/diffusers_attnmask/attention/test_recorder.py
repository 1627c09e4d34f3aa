"""Running means: float32, finite, and no larger than what was asked for."""

import pytest
import torch

from diffusers_attnmask.attention import probabilities as module
from diffusers_attnmask.attention.probabilities import mean_transitions, probabilities
from diffusers_attnmask.attention.readings import RunningMean
from diffusers_attnmask.attention.tap import Comparison
from diffusers_attnmask.masking.tracing import trace
from tests.small_models import sd15


def test_a_mean_leaves_out_and_counts_maps_that_are_not_finite():
    mean = RunningMean()
    for value in (1.0, torch.nan, 3.0, torch.inf):
        mean.add(torch.tensor([[value, 2.0]]))
    assert mean.skipped == 2
    assert torch.equal(mean.mean(0), torch.tensor([2.0, 2.0]))


def test_a_mean_of_nothing_finite_says_so():
    mean = RunningMean()
    mean.add(torch.tensor([[torch.nan]]))
    with pytest.raises(ValueError, match="float32"):
        mean.mean(0)


def test_each_image_of_a_batch_has_a_mean_of_its_own():
    mean = RunningMean()
    mean.add(torch.tensor([[1.0], [torch.nan]]))
    mean.add(torch.tensor([[3.0], [5.0]]))
    assert (mean.mean(0).item(), mean.mean(1).item(), mean.skipped) == (2.0, 5.0, 1)


@pytest.mark.parametrize("chunk", [1, 60, 10**6])
def test_rows_may_be_averaged_in_any_portions(monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    query, key = torch.randn(2, 5, 6, 4), torch.randn(2, 5, 6, 4)
    expected = probabilities(Comparison(query, key, 0.5)).mean(1)
    assert torch.allclose(mean_transitions(query, key, 0.5, None, (2, 3)), expected, atol=1e-6)


def test_a_mask_of_places_and_keys_alone_goes_with_the_rows(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1)
    query, key = torch.randn(2, 5, 6, 4), torch.randn(2, 5, 6, 4)
    mask = torch.rand(6, 6) < 0.7
    mask[:, 0] = True
    expected = probabilities(Comparison(query, key, 0.5, mask)).mean(1)
    assert torch.allclose(mean_transitions(query, key, 0.5, mask, (2, 3)), expected, atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_pooled_transitions_are_sums_of_columns_and_over_all_turns_means_of_rows(masked):
    """On a grid of 3 × 5, squares of 2 × 2 places count as one, those at the border as they are."""
    query, key = torch.randn(1, 2, 15, 4), torch.randn(1, 2, 15, 4)
    mask = (torch.rand(15, 15) < 0.7) | torch.eye(15, dtype=torch.bool) if masked else None
    whole = mean_transitions(query, key, 0.5, mask, (3, 5))[0]
    turns = [mean_transitions(query, key, 0.5, mask, (3, 5), pool=2, turn=turn)[0] for turn in range(5)]
    assert torch.equal(turns[0], turns[4]) and not torch.allclose(turns[0], turns[1])
    pooled = torch.stack(turns[:4]).mean(0)
    squares = [
        [y * 5 + x for y in range(top, min(top + 2, 3)) for x in range(left, min(left + 2, 5))]
        for top in (0, 2)
        for left in (0, 2, 4)
    ]
    for i, own in enumerate(squares):
        for j, other in enumerate(squares):
            expected = sum(whole[a, b] for a in own for b in other) / len(own)
            assert torch.isclose(pooled[i, j], expected, atol=1e-6)


def recorded_bytes(steps, classes=("dog",), **options):
    pipe = sd15()
    with trace(pipe, classes=list(classes), **options) as traced:
        pipe("a dog and a cat", num_inference_steps=steps, output_type="latent")
    return traced.nbytes


def test_what_is_kept_does_not_grow_with_the_steps_but_with_the_classes():
    assert recorded_bytes(2) == recorded_bytes(5)
    assert recorded_bytes(2, methods="diffumask") < recorded_bytes(2)
    one, two = (recorded_bytes(1, classes, methods="daam") for classes in (["dog"], ["dog", "cat"]))
    assert two == 2 * one


def test_only_the_steps_that_are_asked_for_count():
    from diffusers_attnmask.methods import DiffuMask

    def maps(steps_kept, steps):
        pipe = sd15()
        halted = []

        def stop(pipe, step, timestep, tensors):
            halted.append(step)
            pipe._interrupt = step + 1 == steps
            return {}

        method = DiffuMask(steps=steps_kept)
        with trace(pipe, classes=["dog"], methods=method) as traced:
            pipe(
                "a dog",
                num_inference_steps=4,
                output_type="latent",
                generator=torch.Generator().manual_seed(0),
                callback_on_step_end=stop,
            )
        return traced.heatmaps[0]

    assert torch.equal(maps((0.0, 0.5), 4), maps((0.0, 1.0), 2))
    assert not torch.equal(maps((0.5, 1.0), 4), maps((0.0, 1.0), 4))
