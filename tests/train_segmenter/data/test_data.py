"""Data sources read the published layouts, map vocabularies, and name what is wrong."""

import inspect
import json

import datasets
import numpy as np
import pytest
from PIL import Image

from tests.train_segmenter.shapes import NAMES, Squares, draw, labelled, write_folder
from train_segmenter.data import ClassMap, FilePairs, Mixture, Source, check_source, mapped, open_source
from train_segmenter.data.class_map import CITYSCAPES_GROUPS
from train_segmenter.data.hub import from_dataset
from train_segmenter.data.mixture import draw_order
from train_segmenter.data.tables import cityscapes_names, coco_categories, coco_names, voc_names


def save(array, path, palette=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array)
    if palette:
        picture.putpalette(list(range(256)) * 3)
    picture.save(path)


IMAGE = np.zeros((2, 3, 3), np.uint8)


def test_voc_lists_palette_masks_and_void(tmp_path):
    mask = np.array([[0, 15, 255], [20, 1, 0]], np.uint8)
    save(IMAGE, tmp_path / "JPEGImages/a.jpg")
    save(mask, tmp_path / "SegmentationClass/a.png", palette=True)
    save(mask[::-1].copy(), tmp_path / "SegmentationClassAug/a.png")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("a\n")
    (lists / "trainaug.txt").write_text("/JPEGImages/a.jpg /SegmentationClassAug/a.png\n")
    source = open_source(f"VOC:{tmp_path}@val")
    assert source.class_names[15] == "person" and len(source.class_names) == 21
    np.testing.assert_array_equal(source[0].mask, mask)
    np.testing.assert_array_equal(open_source(f"voc:{tmp_path}@trainaug")[0].mask, mask[::-1])
    (lists / "trainaug.txt").write_text("a\n")
    np.testing.assert_array_equal(open_source(f"voc:{tmp_path}@trainaug")[0].mask, mask[::-1])
    with pytest.raises(FileNotFoundError, match=r"no list .*train\.txt.*trainaug, val"):
        open_source(f"VOC:{tmp_path}")


def test_cityscapes_label_ids_become_the_benchmarks_train_ids(tmp_path):
    # labels of the official table: unlabelled, road, sidewalk, parking, person, car, caravan, bicycle, wall
    labels = np.array([[0, 7, 8], [9, 24, 26], [29, 33, 12]], np.uint8)
    save(np.zeros((3, 3, 3), np.uint8), tmp_path / "leftImg8bit/val/bonn/bonn_000_leftImg8bit.png")
    save(labels, tmp_path / "gtFine/val/bonn/bonn_000_gtFine_labelIds.png")
    source = open_source(f"Cityscapes:{tmp_path}@val")
    np.testing.assert_array_equal(source[0].mask, [[255, 0, 1], [255, 11, 13], [255, 18, 3]])
    assert source.class_names == cityscapes_names()
    assert cityscapes_names()[:3] == ("road", "sidewalk", "building") and len(cityscapes_names()) == 19
    grouped = mapped(source, ClassMap(("background", "human", "vehicle"), CITYSCAPES_GROUPS, "background"))
    np.testing.assert_array_equal(grouped[0].mask, [[255, 0, 0], [255, 1, 2], [255, 2, 0]])


def test_coco_stuff_things_pictures_hold_category_ids_less_one(tmp_path):
    save(IMAGE, tmp_path / "train2017/a.jpg")
    # person (1), dog (18), toothbrush (90), a stuff class (91 grass-like), unlabelled
    save(np.array([[0, 17, 89], [95, 181, 255]], np.uint8), tmp_path / "stuffthingmaps/train2017/a.png")
    source = open_source(f"COCO:{tmp_path}")
    names = source.class_names
    expected = [[names.index(n) for n in ("person", "dog", "toothbrush")], [0, 0, 255]]
    np.testing.assert_array_equal(source[0].mask, expected)
    assert len(names) == 81 and coco_names()[80] == "toothbrush"


def test_coco_instances_are_rasterised_by_cocos_own_rules_small_over_large(tmp_path):
    from pycocotools.coco import COCO

    save(np.zeros((20, 24, 3), np.uint8), tmp_path / "val2017/a.jpg")
    polygon = [[2.5, 3.1, 18.2, 4.7, 15.9, 17.3, 4.4, 15.0]]
    small = [[6, 6, 11, 6, 11, 11, 6, 11]]
    runs = {"size": [20, 24], "counts": [400, 30, 50]}
    regions = [(1, polygon, 150.0, 0), (18, small, 25.0, 0), (90, runs, 30.0, 1)]
    annotations = [
        {
            "id": i,
            "image_id": 1,
            "category_id": c,
            "segmentation": s,
            "area": a,
            "iscrowd": crowd,
            "bbox": [0] * 4,
        }
        for i, (c, s, a, crowd) in enumerate(regions, start=1)
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 20, "width": 24}],
        "annotations": annotations,
        "categories": [{"id": key, "name": name} for key, name in coco_categories().items()],
    }
    file = tmp_path / "annotations/instances_val2017.json"
    file.parent.mkdir()
    file.write_text(json.dumps(content))
    source = open_source(f"COCO:{tmp_path}@val2017")
    official = COCO(str(file))
    expected = np.zeros((20, 24), np.uint8)
    for annotation, label in (
        (annotations[0], "person"),
        (annotations[2], "toothbrush"),
        (annotations[1], "dog"),
    ):
        expected[official.annToMask(annotation).astype(bool)] = coco_names().index(label)
    np.testing.assert_array_equal(source[0].mask, expected)


def test_folders_and_their_splits(tmp_path):
    write_folder(tmp_path / "plain")
    write_folder(tmp_path / "split" / "val")
    assert open_source(f"folder:{tmp_path / 'plain'}").class_names == NAMES
    assert len(open_source(f"folder:{tmp_path / 'split'}@val")) == 4
    assert isinstance(open_source(str(tmp_path / "plain")), FilePairs), (
        "images/ and masks/ are known without a prefix"
    )
    (tmp_path / "plain/classes.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"id2label\.json nor classes\.txt"):
        open_source(f"folder:{tmp_path / 'plain'}")


@pytest.mark.parametrize("form", ["parquet", "saved"])
def test_our_own_datasets_say_their_classes_themselves(tmp_path, form):
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "mask": datasets.Image(),
            "id": datasets.Value("string"),
            "classes": datasets.List(datasets.ClassLabel(names=list(NAMES))),
        }
    )
    pairs = [draw(seed) for seed in range(3)]
    rows = [
        {"image": Image.fromarray(i), "mask": Image.fromarray(m), "id": f"pair-{n}", "classes": ["red"]}
        for n, (i, m) in enumerate(pairs)
    ]
    dataset = datasets.Dataset.from_list(rows, features=features)
    if form == "parquet":
        dataset.to_parquet(str(tmp_path / "data/train-00000.parquet"))
    else:
        datasets.DatasetDict({"train": dataset}).save_to_disk(str(tmp_path / "data"))
    source = open_source(str(tmp_path / "data"))
    assert source.class_names == NAMES and source.name(1) == "pair-1"
    np.testing.assert_array_equal(source[2].mask, pairs[2][1])
    np.testing.assert_array_equal(source[2].image, pairs[2][0])


ROAD = ["road", "car", "sky"]


@pytest.mark.parametrize(
    ("pairs", "names"),
    [
        ([([0, 0, 1, 255], [0, 1]), ([2, 2, 2, 2], [2])], ("road", "car", "sky")),
        ([([0, 0, 1, 255], [0]), ([3, 2, 0, 0], [1, 2])], ("background", "road", "car", "sky")),
        ([([0, 0, 0, 0], [])], ("background", "road", "car", "sky")),
        ([([1, 1, 1, 1], [0, 1]), ([0, 0, 2, 2], [0, 2])], ("road", "car", "sky")),
    ],
)
def test_rows_tell_whether_labels_without_a_background_are_the_ids_of_masks(pairs, names):
    assert from_dataset(labelled(ROAD, pairs, "label")).class_names == names


@pytest.mark.parametrize(
    ("pairs", "fits"), [([([1, 1, 1, 1], [0, 1])], "either"), ([([2, 2, 0, 0], [0])], "neither")]
)
def test_rows_that_do_not_tell_it_are_asked_about(pairs, fits):
    with pytest.raises(ValueError, match=rf"fit {fits} way of counting\. Put id2label\.json beside it, as"):
        from_dataset(labelled(ROAD, pairs))
    assert from_dataset(labelled(ROAD, pairs), tuple(ROAD)).class_names == tuple(ROAD)


def test_unknown_words_say_what_is_known(tmp_path):
    with pytest.raises(ValueError, match=r"Unknown data format 'ADE'.*voc, cityscapes"):
        open_source("ADE:/data")
    with pytest.raises(FileNotFoundError, match=r"neither a folder nor a Hub name"):
        open_source(str(tmp_path / "nowhere"))


def test_class_maps_say_what_is_left_over():
    source = Squares(1)
    with pytest.raises(ValueError, match=r"classes blue are not among background, red.*others="):
        mapped(source, ClassMap(("background", "red")))
    raw = source[0].mask
    as_background = mapped(source, ClassMap(("background", "red"), others="background"))[0].mask
    np.testing.assert_array_equal(as_background, np.where(raw == 2, 0, raw))
    as_ignored = mapped(source, ClassMap(("background", "red"), others="ignore"))[0].mask
    np.testing.assert_array_equal(as_ignored, np.where(raw == 2, 255, raw))
    swapped = mapped(source, ClassMap(("background", "blue", "red")))[0].mask
    np.testing.assert_array_equal(swapped, np.array([0, 2, 1], np.uint8)[raw])
    with pytest.raises(ValueError, match="no class cat"):
        mapped(source, ClassMap(("background", "pet"), {"pet": ("cat",)}, "ignore"))


def test_a_class_map_does_not_hide_wrong_ids(tmp_path):
    root = write_folder(tmp_path, count=1)
    Image.fromarray(np.full((32, 32), 3, np.uint8)).save(root / "masks/0.png")
    for classes in (("background", "red"), ("background", "red", "blue", "green", "black")):
        with pytest.raises(ValueError, match=r"0\.png: ids \[[35]\]"):
            check_source(mapped(open_source(str(root)), ClassMap(classes, others="ignore")), progress=False)


def test_faults_are_found_before_training_with_their_files(tmp_path):
    root = write_folder(tmp_path, count=5)
    check_source(open_source(str(root)), progress=False)
    (root / "masks/0.png").unlink()
    Image.fromarray(np.full((32, 32), 9, np.uint8)).save(root / "masks/1.png")
    Image.fromarray(np.zeros((16, 32), np.uint8)).save(root / "masks/2.png")
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(root / "masks/3.png")
    with pytest.raises(ValueError) as caught:
        check_source(open_source(str(root)), progress=False)
    message = str(caught.value)
    assert message.startswith("4 of 5 pairs")
    for part in (
        "there is no picture",
        "0.png",
        "1.png: ids [9]",
        "2.png: the image is 32×32, its mask 32×16",
        "colour picture",
    ):
        assert part in message
    assert "4.png" not in message


def test_a_mixture_is_drawn_by_weight_and_every_pass_takes_each_pair_once():
    mixture = Mixture((Squares(10), Squares(5, start=100)), (3.0, 1.0))
    order = draw_order(mixture, 4000, seed=1)
    share = np.mean(order < 10)
    assert 0.72 < share < 0.78
    first = order[order < 10]
    for turn in range(5):
        assert sorted(first[10 * turn : 10 * turn + 10]) == list(range(10))
    assert mixture[10].name == mixture.sources[1][0].name
    np.testing.assert_array_equal(draw_order(mixture, 100, seed=1), order[:100])
    assert not np.array_equal(draw_order(mixture, 4000, seed=2), order)


def test_a_mixture_refuses_differing_vocabularies():
    with pytest.raises(ValueError, match=r"different classes"):
        Mixture((Squares(1), Squares(1, class_names=("background", "blue", "red"))), (1, 1))


def test_the_official_tables_are_complete():
    assert len(voc_names()) == len(set(voc_names())) == 21
    assert len(set(coco_names())) == 81
    assert sorted(set(range(1, 91)) - set(coco_categories())) == [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]


def test_a_frozen_class_can_be_a_source():
    """Of a protocol's plain attribute, type checkers ask that it can be set."""
    assert isinstance(inspect.getattr_static(Source, "class_names"), property)


def test_coco_is_read_in_the_categories_that_its_file_has(tmp_path):
    square = [[1, 1, 9, 1, 9, 9, 1, 9]]
    save(np.zeros((12, 12, 3), np.uint8), tmp_path / "images/train2017/a.png")
    content = {
        "images": [{"id": "x", "file_name": "a.png", "height": 12, "width": 12}],
        "annotations": [{"image_id": "x", "category_id": 6, "segmentation": square, "area": 64}],
        "categories": [{"id": 6, "name": "tree"}, {"id": 2, "name": "mushroom"}],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_train2017.json").write_text(json.dumps(content))
    source = open_source(f"COCO:{tmp_path}")
    assert source.class_names == ("background", "mushroom", "tree")
    assert source[0].mask[5, 5] == 2 and source[0].mask[0, 0] == 0


def test_voc_is_read_under_the_names_beside_it(tmp_path):
    save(IMAGE, tmp_path / "VOCdevkit/VOC2012/JPEGImages/a.jpg")
    save(np.array([[0, 1, 2], [0, 1, 255]], np.uint8), tmp_path / "VOCdevkit/VOC2012/SegmentationClass/a.png")
    root = tmp_path / "VOCdevkit/VOC2012"
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/train.txt").write_text("a\n")
    assert open_source(f"VOC:{tmp_path}").class_names == voc_names()
    (root / "id2label.json").write_text('{"0": "background", "1": "tree", "2": "mushroom"}')
    for path in (tmp_path, root):
        assert open_source(f"VOC:{path}").class_names == ("background", "tree", "mushroom")
