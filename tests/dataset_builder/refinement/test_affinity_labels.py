import pytest
import torch

from dataset_builder.refinement.affinity.labels import affinity_labels, confident_scores, label_map
from dataset_builder.refinement.class_thresholds import ClassThresholds, class_thresholds

DEFAULTS = class_thresholds("anything")


def blob(height=96, width=96, radius=24.0):
    """A map that falls from 1 in the middle, and the picture of a disc of that radius: (H, W), (H, W, 3)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = ((y - height / 2) ** 2 + (x - width / 2) ** 2).sqrt()
    image = torch.where(
        distance[..., None] < radius, torch.tensor([220, 40, 30]), torch.tensor([60, 90, 160])
    )
    return (distance / radius).square().mul(-0.7).exp(), image.to(torch.uint8), distance < radius


def test_the_published_constants_are_data():
    assert ClassThresholds((0.45, 0.53), -0.04, 0.02, 0.06) == DEFAULTS
    assert class_thresholds("person") == ClassThresholds((0.48, 0.55), 0.06, 0.06, 0.01)
    assert class_thresholds("diningtable") == ClassThresholds((0.55, 0.64), -0.04, 0.04, 0.06)


def test_a_table_of_ones_own_replaces_them(tmp_path):
    table = tmp_path / "thresholds.yaml"
    defaults = "{threshold: [0.2, 0.3], foreground: 0, background: 0, least_share: 0.1}"
    table.write_text(f"defaults: {defaults}\nclasses: {{cat: {{foreground: 0.5}}}}")
    assert class_thresholds("cat", table).foreground == 0.5
    assert class_thresholds("person", table).threshold == (0.2, 0.3)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(f"defaults: {defaults}\nclasses: {{cat: {{foregruond: 0.5}}}}")
    with pytest.raises(
        ValueError, match=r"wrong\.yaml: classes\.cat has no option foregruond: did you mean foreground"
    ):
        class_thresholds("cat", wrong)


def test_scores_are_the_means_of_both_sides_of_the_commonest_value():
    map = torch.cat([torch.full((40,), 0.1), torch.full((30,), 0.485), torch.full((30,), 0.9)])[None]
    high, low = confident_scores(map, DEFAULTS)  # the fullest bin begins at 0.48
    assert high == pytest.approx((0.485 + 0.9) / 2 - 0.04, abs=1e-5)
    assert low == pytest.approx(0.1 + 0.02, abs=1e-5)


def test_a_threshold_moves_until_each_side_holds_its_share():
    map = torch.cat([torch.full((90,), 0.1), torch.full((10,), 0.4)])[None]
    high, low = confident_scores(map, DEFAULTS)  # nothing lies above 0.45; 10 % do above 0.39
    assert high == pytest.approx(0.4 - 0.04, abs=1e-5)
    assert low == pytest.approx(0.1 + 0.02, abs=1e-5)


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0), (1.0, 1)])
def test_constant_maps_are_all_background_or_all_class(value, expected):
    labels = affinity_labels(
        torch.zeros(32, 32, 3, dtype=torch.uint8), torch.full((1, 32, 32), value), [DEFAULTS]
    )
    assert (labels == expected).all()


def test_labels_are_sure_of_the_middle_and_the_border_and_of_nothing_between():
    map, image, disc = blob()
    labels = affinity_labels(image, map[None], [DEFAULTS])
    assert labels.dtype == torch.uint8
    assert set(labels.unique().tolist()) <= {0, 1, 255}
    assert labels[48, 48] == 1 and labels[0, 0] == 0
    assert (disc[labels == 1]).float().mean() > 0.95
    assert (~disc[labels == 0]).float().mean() > 0.95


def test_two_classes_are_labelled_each_where_it_leads():
    map, image, _ = blob(64, 64, 12)
    maps = torch.stack([map.roll(-16, 1), map.roll(16, 1)])
    both = torch.maximum(image.roll(-16, 1), image.roll(16, 1))
    labels = affinity_labels(both, maps, [DEFAULTS, DEFAULTS])
    assert (labels[32, 16], labels[32, 48], labels[0, 32]) == (1, 2, 0)


def test_the_class_that_exceeds_the_background_most_has_the_pixel():
    maps = torch.tensor([[[0.5, 0.2, 0.9]], [[0.6, 0.1, 0.8]]])
    assert label_map(maps, 0.4).tolist() == [[2, 0, 1]]
    assert label_map(maps, torch.tensor([0.4, 0.7])[:, None, None]).tolist() == [[1, 0, 1]]
