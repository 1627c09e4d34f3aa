"""One table per data set gives every reader the same official names, ids and colours."""

import pytest

from diffusers_attnmask.ground.class_tables import class_table, class_table_names
from diffusers_attnmask.ground.palette import VOC_PALETTE, colour_of


@pytest.mark.parametrize("name", class_table_names())
def test_a_table_counts_up_without_doubles(name):
    table = class_table(name)
    assert [own.id for own in table.classes] == list(range(table.background, len(table.class_names)))
    assert len(set(table.class_names)) == len(table.class_names)
    official = [own.official_id for own in table.classes] + list(table.ignored)
    assert len(set(official)) == len(official)
    assert all(len(own.colour) == 3 for own in table.classes)


def test_official_ids_are_those_of_the_data_sets():
    assert {own.name: own.official_id for own in class_table("coco").classes}["stop sign"] == 13
    assert {own.name: own.official_id for own in class_table("cityscapes").classes}["train"] == 31
    assert class_table("cityscapes").ignored[29] == "caravan"
    assert class_table("voc").classes[14].colour == VOC_PALETTE[15]


def test_a_group_gathers_classes_of_its_data_set():
    groups = class_table("cityscapes-human-vehicle").groups
    assert groups["human"] == ("person", "rider")
    assert {name for own in groups.values() for name in own} <= set(class_table("cityscapes").class_names)


def test_an_unknown_table_lists_those_there_are():
    with pytest.raises(ValueError, match=r"no class table 'vco'; there are cityscapes, .*voc"):
        class_table("vco")


@pytest.mark.parametrize("value", ["red", "#ff00", [256, 0, 0], [1, 2], 7])
def test_what_is_no_colour_is_refused(value):
    with pytest.raises(ValueError, match="must be '#rrggbb' or three numbers"):
        colour_of(value)
