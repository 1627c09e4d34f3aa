"""Random SAMs of every generation are asked as transformers' own processors ask them."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from transformers import AutoProcessor

from dataset_builder.sam import kinds
from dataset_builder.sam.frame import Frame
from dataset_builder.sam.kinds import check_sam, prompted_sam, worded_sam
from dataset_builder.sam.options import SamOptions
from dataset_builder.sam.prompted import LOGIT, NONE, OFF, ON, Prompts
from tests.small_models.sam import PROMPTED, sam, sam2, sam3, sam3_tracker
from tests.small_models.seeds import seeded

HEIGHT, WIDTH = 40, 80
WORDS = SamOptions(prompts="words", score=0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for make in (sam, sam2, sam3_tracker, sam3):
        made[make.__name__] = str(tmp_path_factory.mktemp(make.__name__))
        make(made[make.__name__])
    return made


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture
def prompts():
    with seeded("prompts"):
        corners = torch.rand(3, 2, 2) * torch.tensor([WIDTH / 2, HEIGHT / 2])
        corners[:, 1] += torch.tensor([WIDTH / 2, HEIGHT / 2]) - 1
        points = torch.rand(3, 4, 2) * torch.tensor([WIDTH, HEIGHT])
        labels = torch.tensor([ON, ON, OFF, NONE]).expand(3, 4)
        return Prompts(corners.view(3, 4), points, labels, LOGIT * torch.randn(3, HEIGHT, WIDTH))


@pytest.mark.parametrize("kind", PROMPTED)
def test_candidates_are_those_of_the_library_object_by_object(kind, folders, image, prompts):
    """The reference asks about one object at a time, prepared and enlarged by the model's processor."""
    own = prompted_sam(folders[kind], SamOptions())
    found = own.candidates(own.embedded(image), prompts)
    processor = AutoProcessor.from_pretrained(folders[kind])
    frame = own.embedded(image).frame
    for index in range(3):
        inputs = processor(
            images=image,
            input_boxes=[[prompts.boxes[index].tolist()]],
            input_points=[[prompts.points[index].tolist()]],
            input_labels=[[prompts.labels[index].tolist()]],
            return_tensors="pt",
        )
        sizes = [inputs.pop("original_sizes")]
        if "reshaped_input_sizes" in inputs:
            sizes.append(inputs.pop("reshaped_input_sizes"))
        masks = frame.inward(prompts.masks[index : index + 1], 16, -LOGIT)[None]
        expected = []
        for several in (False, True):
            with torch.no_grad():
                said = own.network(**inputs, input_masks=masks, multimask_output=several)
            rest = {"pad_size": {"height": 64, "width": 64}} if len(sizes) > 1 else {}
            large = processor.image_processor.post_process_masks(
                said.pred_masks, *sizes, binarize=True, **rest
            )
            expected.append(large[0][0])
        assert (found[index] == torch.cat(expected)).float().mean() > 0.999
    assert found.shape == (3, 4, HEIGHT, WIDTH)
    assert 0 < found.float().mean() < 1


@pytest.mark.parametrize("kind", PROMPTED)
@pytest.mark.parametrize("what", ["boxes", "points", "masks"])
def test_every_part_of_a_prompt_counts(kind, what, folders, image, prompts):
    own = prompted_sam(folders[kind], SamOptions())
    picture = own.embedded(image)
    before = own.candidates(picture, prompts)
    getattr(prompts, what)[1] *= -1
    after = own.candidates(picture, prompts)
    assert (before[1] != after[1]).any()
    assert (before[[0, 2]] == after[[0, 2]]).all()


@pytest.mark.parametrize("kind", PROMPTED)
def test_a_picture_is_embedded_once_for_all_its_objects(kind, folders, image, prompts):
    own, seen = prompted_sam(folders[kind], SamOptions()), []
    hook = own.network.vision_encoder.register_forward_hook(lambda *_: seen.append(1))
    picture = own.embedded(image)
    own.candidates(picture, prompts)
    own.candidates(picture, prompts)
    hook.remove()
    assert seen == [1]


def test_pictures_may_be_embedded_in_half_precision(folders, image, prompts):
    exact, half = (prompted_sam(folders["sam2"], SamOptions(dtype=own)) for own in ("fp32", "bf16"))
    fine, coarse = (own.candidates(own.embedded(image), prompts) for own in (exact, half))
    assert (exact.embedded(image).features[-1] != half.embedded(image).features[-1]).any()
    assert (fine == coarse).float().mean() > 0.9


def test_words_find_what_the_library_finds(folders, image):
    own = worded_sam(folders["sam3"], WORDS)
    found = own.found(own.embedded(image), ["star", "moon", "heart", "star", "fish"], 0.0)
    processor = AutoProcessor.from_pretrained(folders["sam3"])
    for word, objects in zip(["star", "moon", "heart", "star", "fish"], found, strict=True):
        inputs = processor(images=image, text=word, return_tensors="pt")
        sizes = inputs.pop("original_sizes").tolist()
        with torch.no_grad():
            said = own.network(**inputs)
        (expected,) = processor.post_process_instance_segmentation(said, -1.0, 0.5, sizes)
        order = expected["scores"].argsort(descending=True)
        assert torch.allclose(objects.scores, expected["scores"][order], atol=1e-5)
        assert (objects.masks == expected["masks"][order].bool()).float().mean() > 0.999
    assert (found[0].masks == found[3].masks).all()
    assert (found[0].scores != found[1].scores).any()


def test_only_what_has_the_score_counts(folders, image):
    own = worded_sam(folders["sam3"], WORDS)
    picture = own.embedded(image)
    (every,) = own.found(picture, ["star"], 0.0)
    (some,) = own.found(picture, ["star"], float(every.scores[2]))
    assert torch.equal(some.scores, every.scores[:3]) and len(some.masks) == 3
    (none,) = own.found(picture, ["star"], 1.0)
    assert none.masks.shape == (0, HEIGHT, WIDTH)


def test_a_network_is_loaded_once(folders):
    assert prompted_sam(folders["sam"], SamOptions()) is prompted_sam(folders["sam"], SamOptions())


def test_maps_lie_where_the_padded_picture_lies():
    frame = Frame((20, 40), (32, 64), (64, 64))
    logits = torch.full((1, 20, 40), 3.0)
    seen = frame.inward(logits, 16, outside=-10)
    assert (seen[0, :7] > 2.9).all() and (seen[0, 9:] < -9.9).all()
    assert torch.equal(frame.points(torch.tensor([[10.0, 5.0]])), torch.tensor([[16.0, 8.0]]))
    assert frame.back(seen[:, None]).shape == (1, 1, 20, 40)
    assert (frame.back(seen[:, None])[..., :19, :] > 0).all()  # the last row borders on what is outside


def test_a_model_is_asked_only_as_it_can_be(folders, tmp_path):
    check_sam(folders["sam"], SamOptions())
    check_sam(folders["sam3"], WORDS)
    with pytest.raises(ValueError, match=r"takes no words: they need a SAM 3, .* 'sam2'"):
        check_sam(folders["sam2"], WORDS)
    with pytest.raises(ValueError, match="takes words alone: take the prompts words"):
        check_sam(folders["sam3"], SamOptions())
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="is no SAM: its configuration says 'bert', and not one of sam, "):
        check_sam(str(tmp_path), SamOptions())


def test_the_published_repositories_are_known():
    """facebook/sam2.1-hiera-small and facebook/sam3 say that they are for videos, whose halves these are."""
    from transformers import Sam2Model, Sam3TrackerModel
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASK_GENERATION_MAPPING_NAMES as NAMES

    assert NAMES["sam2_video"] == Sam2Model.__name__
    assert NAMES["sam3_video"] == Sam3TrackerModel.__name__
    assert set(kinds.PROMPTED) <= set(NAMES)


class Gate(BaseHTTPRequestHandler):
    """A Hub at which whoever asks has no access yet."""

    def do_HEAD(self) -> None:
        self.send_response(403)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("X-Error-Message", "Access to this model is restricted.")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_: object) -> None:
        pass


def test_a_gated_repository_is_told_in_one_line(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        file = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", file)
        with pytest.raises(
            FileNotFoundError, match=r"facebook/sam3 is gated: ask for access at http.*log in"
        ) as told:
            check_sam("facebook/sam3", SamOptions())
        server.shutdown()
    assert "\n" not in str(told.value)
