"""Vocabularies have the official ids, names and colours, and a user's own file is read or refused clearly."""

from hashlib import sha256

import numpy as np
import pytest
from torchvision.datasets import Cityscapes

import tiny_world
from dataset_builder.vocabulary import load_vocabulary, vocabulary_names
from diffusers_attnmask.ground.palette import VOC_PALETTE
from diffusers_attnmask.methods import make_method
from train_segmenter.data.class_map import CITYSCAPES_GROUPS
from train_segmenter.data.tables import cityscapes_names, coco_names, voc_names


def test_voc_has_the_official_names_ids_and_palette():
    voc = load_vocabulary("voc")
    assert voc.class_names == voc_names() and len(voc.class_names) == 21
    assert voc.palette == VOC_PALETTE
    assert voc["person"].id == 15 and voc.ignore_index == 255


def test_coco_has_the_eighty_categories_in_their_order_and_the_panoptic_colours():
    coco = load_vocabulary("coco")
    assert coco.class_names == coco_names() and len(coco.class_names) == 81
    # person, bus, orange and toothbrush in panoptic_coco_categories.json
    assert [coco.palette[i] for i in (1, 6, 50, 80)] == [
        (220, 20, 60),
        (0, 60, 100),
        (255, 109, 65),
        (191, 162, 208),
    ]
    assert len(set(coco.palette[1:81])) == 80


def test_cityscapes_has_the_train_ids_and_colours_and_no_background():
    cityscapes = load_vocabulary("cityscapes")
    official = {c.train_id: c for c in Cityscapes.classes if c.train_id not in (-1, 255)}
    assert cityscapes.class_names == tuple(official[i].name for i in range(19)) == cityscapes_names()
    assert cityscapes.palette[:19] == tuple(official[i].color for i in range(19))
    assert cityscapes.unlabelled_id == 255
    table = cityscapes.mask_table(["car", "road"])
    assert table[[0, 1, 2, 255]].tolist() == [255, 13, 0, 255]


def test_the_published_groups_name_every_human_and_vehicle_class():
    groups = load_vocabulary("cityscapes-human-vehicle")
    assert groups.class_names == ("background", "human", "vehicle")
    for name, members in CITYSCAPES_GROUPS.items():
        assert set(members) <= set(groups[name].phrases)


def test_the_tiny_world_has_the_ids_of_its_renderer():
    assert load_vocabulary("tiny-world").class_names == ("background", *tiny_world.CLASSES)


# Of vocabularies that datasets were built with: their manifests know a changed one, and refuse to go on.
DIGESTS = {
    "cityscapes": "2a9ff9a613ec71cd",
    "cityscapes-human-vehicle": "15bb4bfeaaf3c07d",
    "coco": "9d393fcd89ee1367",
    "tiny-world": "701a4b9426865850",
    "voc": "77d3242d77ef7225",
}


@pytest.mark.parametrize("name", vocabulary_names())
def test_a_vocabulary_and_its_class_table_make_what_they_always_made(name):
    assert sha256(repr(load_vocabulary(name)).encode()).hexdigest()[:16] == DIGESTS[name]


def test_a_users_vocabulary_may_add_its_words_to_an_official_table(tmp_path):
    (tmp_path / "pets.yaml").write_text("table: voc\nclasses: {dog: [hound]}\n")
    pets = load_vocabulary(tmp_path / "pets.yaml")
    assert pets.class_names == voc_names() and pets.palette == VOC_PALETTE
    assert pets["dog"].phrases == ("hound",) and pets["cat"].phrases == ("cat",)


@pytest.mark.parametrize("name", vocabulary_names())
def test_every_vocabulary_gives_method_options_that_its_method_takes(name):
    vocabulary = load_vocabulary(name)
    make_method("diffumask", vocabulary.method_options("diffumask"))


def test_the_published_resolutions_of_single_classes():
    assert load_vocabulary("voc").method_options("diffumask") == {
        "class_levels": {"diningtable": [2], "sofa": [3], "train": [3], "tvmonitor": [3]}
    }
    assert load_vocabulary("voc").method_options("daam") == {}


def test_the_published_sub_class_lists_have_their_sizes():
    voc = load_vocabulary("voc")
    sizes = {name: len(voc[name].subclasses) for name in ("bird", "cat", "dog", "bus", "car")}
    assert sizes == {"bird": 100, "cat": 45, "dog": 90, "bus": 23, "car": 10}
    for own in voc.classes:
        assert len(set(own.subclasses)) == len(own.subclasses)
    assert set(voc["person"].subclasses) >= {
        "person",
        "man",
        "woman",
        "child",
        "boy",
        "girl",
        "old man",
        "teenager",
    }


def test_a_users_ten_lines_make_a_vocabulary(tmp_path):
    (tmp_path / "fruit.yaml").write_text(
        "classes:\n"
        "  apple:\n"
        "    phrases: [apple, pippin]\n"
        "    subclasses: [red, green]\n"
        '    colour: "#ff0000"\n'
        "    options: {diffumask: {levels: [1, 2]}}\n"
        "  pear:\n"
        "scenes: [on a table]\n"
    )
    fruit = load_vocabulary(tmp_path / "fruit.yaml")
    assert fruit.name == "fruit" and fruit.class_names == ("background", "apple", "pear")
    assert fruit["pear"].phrases == ("pear",) and fruit.palette[1:3] == ((255, 0, 0), VOC_PALETTE[2])
    assert fruit.method_options("diffumask") == {"class_levels": {"apple": [1, 2]}}
    np.testing.assert_array_equal(fruit.mask_table(["pear"])[[0, 1, 2, 255]], [0, 2, 255, 255])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("classes: [dog, cat, dog]", "'?dog'? .*twice|listed twice"),
        ("classes: {dog: [dog], hound: [dog]}", "'dog' is given twice"),
        ("classes: {dog: , dog: }", "'dog' is given twice"),
        ("classes: {background: }", "background"),
        ("classes: {dog: {phrase: [dog]}}", "classes.dog has no option phrase: did you mean phrases"),
        ("classes: {dog: {phrases: [yes]}}", "quote them"),
        ("classes: {dog: {colour: red}}", "classes.dog.colour: colour 'red'"),
        ("classes: {dog: {id: 3}}", "leave them out"),
        (
            "classes: {dog: {subclasses: $breeds}}",
            r"subclasses: there is no word list \$breeds; there are .*\$dogs",
        ),
        ("classes: [dog]\ntemplates: [a photo]", "must say {objects} once"),
        ("classes: [dog]\nsize: 3", "no option size"),
        ("table: voc\nclasses: [dog, dragon]", "class table 'voc' has no class dragon: add it there"),
        ("table: vco", "no class table 'vco'; there are cityscapes"),
        ("classes: 7", "must be a list or a mapping"),
        ("name: x", "it needs `classes`"),
        ("classes: [dog", "not valid YAML"),
    ],
)
def test_a_mistake_in_a_users_file_is_named_with_the_file(tmp_path, text, complaint):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises((ValueError, TypeError), match=complaint) as error:
        load_vocabulary(tmp_path / "own.yaml")
    assert "own.yaml" in str(error.value)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(FileNotFoundError, match=r"no vocabulary 'vco'.*cityscapes.*voc"):
        load_vocabulary("vco")
    with pytest.raises(ValueError, match="has no class 'dogs'; it has aeroplane"):
        load_vocabulary("voc")["dogs"]
