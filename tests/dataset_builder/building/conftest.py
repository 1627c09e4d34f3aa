"""A recipe that is built in a second."""

from __future__ import annotations

import pytest

from dataset_builder.recipe import Recipe, SamplingOptions


@pytest.fixture
def recipe() -> Recipe:
    return Recipe("tiny-world", pairs=22, shard_size=5, seed=3, sampling=SamplingOptions(batch_size=2))
