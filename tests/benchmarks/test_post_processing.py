"""Mask2Former's answers become the same mask by us and by transformers, where both go one way."""

import torch

from benchmarks.post_processing import OURS, THEIRS, share_equal, ways_from
from benchmarks.world.query_answers import answers_to, enlarged
from benchmarks.world.scenes import unseen_scenes


def test_ours_and_transformers_agree_at_its_own_size_and_with_the_exact_mask():
    [scene] = unseen_scenes(2, 1)
    exact = enlarged(scene.mask, 384)
    found = {name: way() for name, way in ways_from(answers_to(exact, 0), 384).items()}
    assert set(exact.unique().tolist()) == set(torch.from_numpy(scene.mask).unique().tolist())
    assert share_equal(found[OURS], found[THEIRS]) > 0.9999
    assert 0.95 < share_equal(found[OURS], exact) < 1
