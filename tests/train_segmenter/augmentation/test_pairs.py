"""Images and masks are changed together: nearest neighbour, 255 kept, the same for the same generator."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from skimage.transform import ProjectiveTransform
from skimage.transform import warp as reference_warp

from tests.train_segmenter.shapes import Squares
from train_segmenter.augmentation.chain import PairAugmentation
from train_segmenter.augmentation.occlusion import drawn_patches, occlude
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.augmentation.splicing import splice
from train_segmenter.augmentation.transforms import Augmentation, resize
from train_segmenter.augmentation.warping import drawn_corners, homography, turned, warp
from train_segmenter.data import Mixture, Sample
from train_segmenter.data.mixture import draw_order
from train_segmenter.training.batches import DrawnPair, TrainingPairs
from train_segmenter.training.options import TrainOptions

CALM = {"splice": 0, "blur": 0, "occlude": 0, "perspective": 0}
COLOURS = np.array([[10 + 40 * i, 200 - 30 * i, 20 * i] for i in range(6)], np.uint8)


@dataclass(frozen=True)
class Flat:
    """Pairs of one class each, masks (N, H, W)."""

    masks: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self):
        return len(self.masks)

    def __getitem__(self, index):
        return Sample(COLOURS[self.masks[index]], self.masks[index], f"flat {index}")


def blocks(side=48, seed=0):
    """A pair whose image is the colour of its mask: ids 0 to 4 and 255 in blocks of a sixth of the side."""
    ids = np.random.default_rng(seed).integers(0, 6, (6, 6))
    ids = np.kron(ids, np.ones((side // 6, side // 6), int))
    return COLOURS[ids], np.where(ids == 5, 255, ids).astype(np.uint8)


def same_colours(image, mask):
    """The share of pixels whose colour is that of their mask."""
    wanted = COLOURS[np.where(mask == 255, 5, mask)]
    return (np.abs(image.astype(int) - wanted).max(-1) <= 2).mean()


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 1), (2, 2), (3, 3), (5, 5), (8, 8)])
def test_every_tile_is_a_whole_pair_made_smaller(rows, columns):
    flat = [(np.full((7, 9, 3), i, np.uint8), np.full((7, 9), i, np.uint8)) for i in range(rows * columns)]
    image, mask = splice(flat, rows, columns, (50, 61))
    assert image.shape == (50, 61, 3) and mask.shape == (50, 61)
    np.testing.assert_array_equal(image, np.repeat(mask[..., None], 3, -1))
    tops = [round(50 * r / rows) for r in range(rows)]
    lefts = [round(61 * c / columns) for c in range(columns)]
    np.testing.assert_array_equal(mask[np.ix_(tops, lefts)].ravel(), np.arange(rows * columns))
    assert (np.diff(mask[:, 0].astype(int)) >= 0).all()
    counts = np.bincount(mask.ravel())
    assert counts.min() >= (50 // rows) * (61 // columns)


def test_tiles_keep_mask_ids_and_agree_with_their_image():
    image, mask = splice([blocks(96, seed=i) for i in range(4)], 2, 2, (96, 96))
    assert set(np.unique(mask)) <= {0, 1, 2, 3, 4, 255} and (mask == 255).any()
    assert same_colours(image, mask) > 0.5  # the rest lies along the edges of blocks eight pixels wide
    for wrong in ({"rows": 3, "columns": 1}, {"rows": 100, "columns": 1}):
        with pytest.raises(ValueError, match="tiles"):
            splice([blocks()] * (4 if wrong["rows"] == 3 else 100), **wrong, size=(48, 48))


def test_a_warp_is_the_projective_map_of_its_corners():
    image, mask = blocks(96)
    corners = np.array([(10, -8), (90, 12), (100, 80), (-6, 96)], float)
    warped_image, warped = warp(image, mask, corners)
    square = np.array([(0, 0), (96, 0), (96, 96), (0, 96)], float)
    # skimage counts from the centres of pixels, Pillow from their corners
    transform = ProjectiveTransform.from_estimate(square - 0.5, corners - 0.5)
    expected = reference_warp(
        mask, transform, order=0, cval=255, preserve_range=True, output_shape=mask.shape
    )
    assert (warped == expected).mean() > 0.98  # the others lie on an edge, where rounding decides
    assert (warped == 255).sum() > (mask == 255).sum() / 2
    assert same_colours(warped_image[warped != 255], warped[warped != 255]) > 0.8
    black = (warped_image == 0).all(-1)
    assert black.any() and (warped[black] == 255).all()


def test_corners_that_stay_change_nothing():
    image, mask = blocks()
    square = np.array([(0, 0), (48, 0), (48, 48), (0, 48)], float)
    for got, own in zip(warp(image, mask, square), (image, mask), strict=True):
        np.testing.assert_array_equal(got, own)
    np.testing.assert_allclose(homography(square, square), [1, 0, 0, 0, 1, 0, 0, 0], atol=1e-9)
    drawn = drawn_corners((48, 48), 0.4, np.random.default_rng(0)) - square
    assert 0 < np.abs(drawn).max() <= 0.4 * 24


def test_a_turn_is_clockwise_about_the_middle_and_its_zoom_enlarges():
    image, mask = blocks(96)
    square = np.array([(0, 0), (96, 0), (96, 96), (0, 96)], float)
    for own, quarter in zip((image, mask), warp(image, mask, turned(square, np.pi / 2, 1)), strict=True):
        np.testing.assert_array_equal(quarter, np.rot90(own, -1))
    np.testing.assert_array_equal(
        warp(image, mask, turned(square, 0, 2))[1], mask[24:72, 24:72].repeat(2, 0).repeat(2, 1)
    )
    corner, *_ = turned(square, np.radians(30), 1)
    np.testing.assert_allclose(np.hypot(*(corner - 48)), np.hypot(48, 48))


def test_a_pair_may_be_turned_alone_and_in_perspective():
    pair = np.full((96, 96, 3), 7, np.uint8), np.ones((96, 96), np.uint8)
    alone = AugmentOptions(**CALM, turn=1, zoom=(1, 1))
    both = replace(alone, perspective=1)
    (image, mask), (_, seen) = (
        PairAugmentation(own)(*pair, np.random.default_rng(3)) for own in (alone, both)
    )
    assert mask[0, 0] == 255 and not image[0, 0].any() and mask[48, 48] == 1
    np.testing.assert_array_equal(mask, np.rot90(mask, 2))  # a turn about the middle is symmetric
    assert (seen != np.rot90(seen, 2)).any()


@pytest.mark.parametrize(("occluded", "id"), [("ignore", 255), ("background", 0), ("keep", None)])
def test_a_patch_hides_the_image_and_says_so_in_the_mask(occluded, id):
    image, mask = blocks()
    patches = drawn_patches(mask.shape, 3, (0.05, 0.1), np.random.default_rng(1))
    painted, ids = occlude(image, mask, patches, occluded, np.random.default_rng(2))
    np.testing.assert_array_equal(painted[~patches], image[~patches])
    np.testing.assert_array_equal(ids[~patches], mask[~patches])
    assert (painted[patches] != image[patches]).any(-1).mean() > 0.9
    assert (ids[mask == 255] == 255).all()
    if id is None:
        np.testing.assert_array_equal(ids, mask)
    else:
        assert (ids[patches & (mask != 255)] == id).all()


def test_patches_have_the_share_that_was_asked_for():
    shares = [
        drawn_patches((200, 200), 1, (0.02, 0.04), np.random.default_rng(seed)).mean() for seed in range(60)
    ]
    assert max(shares) < 0.043 and 0.015 < np.mean(shares) < 0.04  # patches over the edge are cut


def test_blur_leaves_the_mask_alone():
    image, mask = blocks()
    augment = PairAugmentation(AugmentOptions(**{**CALM, "blur": 1}, blur_sigma=(1.5, 1.5)))
    blurred, ids = augment(image, mask, np.random.default_rng(0))
    assert ids is mask and blurred.std() < image.std()


def test_the_same_generator_gives_the_same_pair_and_another_one_does_not():
    source = Squares(6)
    augment = PairAugmentation(AugmentOptions(splice=0.8, perspective=0.8, occlude=0.8, blur=0.8), source)
    first, again, other = (
        augment(source[0].image, source[0].mask, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (first[0] != other[0]).any()


def test_augmentation_changes_nothing_where_every_probability_is_zero():
    image, mask = blocks()
    got = PairAugmentation(AugmentOptions(**CALM))(image, mask, np.random.default_rng(0))
    assert got[0] is image and got[1] is mask


def test_spliced_pairs_take_all_their_tiles_from_the_source():
    source = Squares(9)
    augment = PairAugmentation(AugmentOptions(**{**CALM, "splice": 1}, grids=((2, 2),)), source)
    halves = [resize(source[i].image, source[i].mask, 16, 16) for i in range(9)]
    known = {(image.tobytes(), mask.tobytes()) for image, mask in halves}
    image, mask = augment(source[0].image, source[0].mask, np.random.default_rng(0))
    tiles = [np.s_[top : top + 16, left : left + 16] for top in (0, 16) for left in (0, 16)]
    found = [(image[tile].tobytes(), mask[tile].tobytes()) for tile in tiles]
    assert set(found) <= known and len(set(found)) > 1
    assert (halves[0][0].tobytes(), halves[0][1].tobytes()) in found


def training_pairs(source, seed=0, order=range(12), **augment):
    options = TrainOptions(
        seed=seed,
        augmentation=Augmentation(crop=None, scale=(1, 1), flip=0, colour=0),
        augment=AugmentOptions(**augment),
    )
    return TrainingPairs(DrawnPair(source, np.array(order)), options)


def test_a_training_sees_a_pair_augmented_anew_each_time_and_by_its_position_alone():
    warped = CALM | {"perspective": 1}
    pairs = training_pairs(Squares(4), order=[2] * 12, **warped)
    seen = [pairs[position][0].numpy().tobytes() for position in range(12)]
    assert len(set(seen)) == 12
    again = training_pairs(Squares(4), order=[2] * 12, **warped)
    assert [again[position][0].numpy().tobytes() for position in (7, 3)] == [seen[7], seen[3]]
    assert training_pairs(Squares(4), 1, order=[2] * 12, **warped)[7][0].numpy().tobytes() != seen[7]


def test_partners_are_drawn_with_the_weights_of_a_mixture():
    flat = [np.full((1, 8, 8), own, np.uint8) for own in (0, 1)]
    class_names = ("background", "red", "blue")
    absent, present = (Flat(own, class_names) for own in flat)
    mixture = Mixture((absent, present), (0.0, 1.0))
    pairs = training_pairs(mixture, order=draw_order(mixture, 20, 0), **(CALM | {"splice": 1}))
    assert all((pairs[position][1] == 1).all() for position in range(20))


def test_a_training_without_it_sees_the_pairs_as_before():
    options = TrainOptions(augmentation=Augmentation(crop=24))
    plain = TrainingPairs(DrawnPair(Squares(4), np.arange(4)), options)
    calm = TrainingPairs(
        DrawnPair(Squares(4), np.arange(4)), replace(options, augment=AugmentOptions(**CALM))
    )
    (*own, segments), (*other, same_segments) = plain[3], calm[3]
    assert all(map(torch.equal, own, other)) and segments == same_segments


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"blur": 2}, "blur must be at most 1, not 2"),
        ({"grids": ((0, 2),)}, r"grids\[0\]\[0\] must be at least 1, not 0"),
        ({"grids": ()}, "grids must not be empty"),
        ({"occluded": "grey"}, "occluded must be 'ignore', 'keep' or 'background', not 'grey'"),
        ({"distortion": 1.5}, "distortion must be below 1, not 1.5"),
        ({"piece_share": (0.5, 0.1)}, r"piece_share: \[0\.5, 0\.1\] must go from low to high"),
        ({"turn": -0.1}, "turn must be at least 0, not -0.1"),
        ({"angle": 270}, "angle must be at most 180, not 270"),
        ({"zoom": (1.2, 0.8)}, r"zoom: \[1\.2, 0\.8\] must go from low to high"),
    ],
)
def test_a_wrong_option_is_named(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        AugmentOptions(**values)


def test_splicing_without_other_pairs_is_refused():
    with pytest.raises(ValueError, match="give them as partners, or set splice=0"):
        PairAugmentation()
