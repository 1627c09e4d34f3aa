import numpy as np

from dataset_builder.building.candidates import Candidate, Skipped
from dataset_builder.building.present import with_present_classes
from dataset_builder.building.row import RowMaker, row_features
from dataset_builder.building.sampler import Sampled
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe
from dataset_builder.vocabulary import load_vocabulary
from diffusers_attnmask.ground.columns import PRESENCE
from diffusers_attnmask.ground.pictures import mask_ids, opened

NAMES = ("star", "heart", "moon")
VOCABULARY = load_vocabulary("tiny-world")


def candidate(told):
    mask = np.array([[1, 1, 2], [3, 0, 255]], np.uint8)
    heatmaps = np.stack([(mask == place).astype(np.float32) for place in (1, 2, 3)])
    presence = None if told is None else np.array(told, np.float32)
    sampled = Sampled(np.zeros((2, 3, 3), np.uint8), heatmaps, mask, presence=presence)
    item = PromptItem("a star, a heart and a moon", tuple((own, (own,)) for own in NAMES))
    return Candidate(0, 0, 7, item, sampled)


def row(told, **options):
    recipe = Recipe("tiny-world", **options)
    return RowMaker(recipe, VOCABULARY, "model", "daam")(candidate(told))


def test_absent_classes_are_taken_out_of_maps_mask_and_prompt():
    found = with_present_classes(candidate([0.9, 0.2, 0.6]), 0.5)
    assert found.item.class_names == ("star", "moon")
    assert found.sampled.mask.tolist() == [[1, 1, 0], [2, 0, 255]]
    assert found.sampled.heatmaps.tolist() == candidate(None).sampled.heatmaps[[0, 2]].tolist()
    whole = candidate([0.9, 0.6, 0.6])
    assert with_present_classes(whole, 0.5) is whole
    assert with_present_classes(candidate([0.1] * 3), None).item.class_names == NAMES


def test_a_row_has_the_presence_of_its_classes():
    built = row([0.75, 0.25, 0.5], presence=True, drop_absent=0.5)
    ids = [VOCABULARY["star"].id, VOCABULARY["moon"].id]
    assert built.row["classes"] == sorted(ids)
    assert dict(zip(built.row["classes"], built.row[PRESENCE], strict=True)) == dict(
        zip(ids, [0.75, 0.5], strict=True)
    )
    mask = mask_ids(opened(built.row["mask"]["bytes"], "mask"), "mask")
    assert set(np.unique(mask)) == {0, *ids, 255}
    assert list(row_features(Recipe("tiny-world", presence=True), VOCABULARY.class_names))[-1] == PRESENCE
    assert PRESENCE not in row([0.75, 0.25, 0.5]).row


def test_a_picture_of_none_of_its_classes_is_skipped():
    found = row([0.1, 0.2, 0.3], drop_absent=0.5)
    assert isinstance(found, Skipped) and found.reason == "classes absent" and "0.5" in found.detail
