"""Every architecture answers with logits at image size, and what is saved loads in its own library."""

import json

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessor

from tests.train_segmenter.shapes import NAMES, SMALL_MASK2FORMER, small_mask2former, small_model
from train_segmenter.models import create, load
from train_segmenter.models.mask2former import matched_targets
from train_segmenter.models.pretrained import build
from train_segmenter.training.losses import Criterion

SMALL_SWIN = {
    "backbone_config": {
        "model_type": "swin",
        "embed_dim": 12,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 2, 2, 2],
        "window_size": 2,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    },
    **SMALL_MASK2FORMER,
}


def small(kind: str, tmp_path):
    torch.manual_seed(0)
    if kind == "smp":
        return small_model()
    if kind == "timm":
        return small_mask2former()
    config = tmp_path / "small.json"
    config.write_text(json.dumps(SMALL_SWIN))
    return create(f"mask2former:{config}", NAMES, "none")


@pytest.mark.parametrize("architecture", [name for name in smp.MODEL_ARCHITECTURES_MAPPING if name != "dpt"])
def test_every_smp_architecture_answers_at_image_size(architecture):
    model = create(f"smp:{architecture}:resnet18", NAMES, "none").eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 70, 41)).shape == (1, 3, 70, 41)


def test_dpt_with_a_transformer_of_timm():
    model = create("smp:dpt:tu-vit_tiny_patch16_224", NAMES, "none", dynamic_img_size=True).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 70, 41)).shape == (1, 3, 70, 41)


@pytest.mark.parametrize("kind", ["smp", "timm", "swin"])
def test_a_saved_model_comes_back_equal(kind, tmp_path):
    model = small(kind, tmp_path).eval()
    model.save_pretrained(tmp_path / "model")
    again = load(tmp_path / "model")
    images = torch.rand(2, 3, 50, 67)
    with torch.no_grad():
        torch.testing.assert_close(again(images), model(images), rtol=1e-5, atol=1e-5)
    assert again.spec == model.spec
    labels = json.loads((tmp_path / "model/id2label.json").read_text())
    assert labels == {"0": "background", "1": "red", "2": "blue"}


def test_smp_loads_it_without_us(tmp_path):
    model = small("smp", tmp_path).eval()
    model.save_pretrained(tmp_path / "model")
    network = smp.from_pretrained(str(tmp_path / "model")).eval()
    images = torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.spec.mean, model.spec.std))
    with torch.no_grad():
        torch.testing.assert_close(network((images - mean) / std), model(images))


@pytest.mark.parametrize("kind", ["timm", "swin"])
def test_transformers_loads_it_without_us(kind, tmp_path):
    model = small(kind, tmp_path).eval()
    model.save_pretrained(tmp_path / "model")
    network = Mask2FormerForUniversalSegmentation.from_pretrained(tmp_path / "model").eval()
    processor = Mask2FormerImageProcessor.from_pretrained(tmp_path / "model")
    assert network.config.id2label == dict(enumerate(NAMES))
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        outputs = network(**processor(image, return_tensors="pt"))
        ours = model(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)[0]
    theirs = processor.post_process_semantic_segmentation(outputs, [(64, 64)])[0]
    assert (ours.argmax(0) == theirs).float().mean() > 0.99  # theirs goes through 384 × 384


def test_a_model_of_its_library_alone_loads_too(tmp_path):
    torch.manual_seed(0)
    network = smp.Unet("resnet18", encoder_weights=None, classes=2, decoder_channels=(16, 16, 8, 8, 8))
    network.save_pretrained(tmp_path / "theirs")
    model = load(tmp_path / "theirs")
    assert model.class_names == ("class 0", "class 1") and model.spec.model == "smp:unet:resnet18"


@pytest.mark.parametrize("kind", ["timm", "swin"])
def test_mask2former_learns_from_counted_pixels_alone(kind, tmp_path):
    model = small(kind, tmp_path).train()
    images = torch.rand(2, 3, 64, 64)
    masks = torch.randint(0, 3, (2, 64, 64))
    masks[:, :32] = 255
    captured = {}

    def keep(module, arguments, output):
        output.masks_queries_logits.retain_grad()
        captured["masks"] = output.masks_queries_logits

    handle = model.network.register_forward_hook(keep)
    loss = model.training_loss(images, masks, Criterion.parse("ce"))
    loss.backward()
    handle.remove()
    gradient = captured["masks"].grad.abs().amax(dim=(0, 1))  # (16, 16)
    assert gradient[:8].max() == 0 and gradient[8:].max() > 0
    assert torch.isfinite(loss)


def test_mask2former_survives_a_wholly_ignored_batch(tmp_path):
    model = small("swin", tmp_path).train()
    loss = model.training_loss(torch.rand(1, 3, 64, 64), torch.full((1, 64, 64), 255), Criterion.parse("ce"))
    loss.backward()
    assert loss.item() == 0


class WaitingRefused(TorchDispatchMode):
    """Refuses operations whose result the host must see: on a GPU it would wait for all that came before."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        waits = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
        assert not waits & set(function.tags), function
        return function(*args, **(kwargs or {}))


def test_mask2former_knows_its_targets_without_asking_the_device():
    masks = torch.tensor([[[0, 2], [255, 2]], [[255, 255], [255, 255]]])
    with WaitingRefused():
        labels, binary = matched_targets(masks, [(0, 2), ()])
    assert [own.tolist() for own in labels] == [[0, 2], []]
    assert binary[0].tolist() == [[[1, 0], [0, 0]], [[0, 1], [0, 1]]] and binary[1].shape == (0, 2, 2)


def test_losses_are_the_same_whoever_says_what_the_masks_show():
    model = small_mask2former().train()
    images, masks = torch.rand(2, 3, 64, 64), torch.randint(0, 2, (2, 64, 64))
    losses = []
    for shown in (None, [(0, 1), (0, 1)]):
        torch.manual_seed(0)
        losses.append(model.training_loss(images, masks, Criterion.parse("ce"), shown))
    assert torch.equal(*losses)


def test_mask2former_divides_by_all_processes_masks_also_where_it_has_none(monkeypatch):
    """Each call waits for one of every other process."""
    model = small_mask2former().train()
    own, asked = model.network.criterion.get_num_masks, []

    def counted(*arguments, **options):
        asked.append(1)
        return own(*arguments, **options)

    monkeypatch.setattr(model.network.criterion, "get_num_masks", counted)
    counts = []
    for label in (1, 255):
        asked.clear()
        model.training_loss(torch.rand(1, 3, 64, 64), torch.full((1, 64, 64), label), Criterion.parse("ce"))
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


def test_the_backbone_is_a_proper_part(tmp_path):
    for kind in ("smp", "timm", "swin"):
        model = small(kind, tmp_path)
        backbone = {id(p) for p in model.backbone_parameters()}
        everything = {id(p) for p in model.parameters()}
        assert backbone and backbone < everything


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unet", "Unknown model 'unet'"),
        ("smp:unett:resnet18", "no architecture 'unett'.*unetplusplus"),
        ("smp:unet:resnet19", "no encoder 'resnet19'.*resnet18"),
        ("mask2former:resnet19", "no backbone 'resnet19'.*swin-tiny"),
    ],
)
def test_unknown_names_list_the_known(name, message):
    with pytest.raises(ValueError, match=message):
        create(name, NAMES, "none")


def test_unknown_options_and_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="no option decoder_chanels"):
        create("smp:unet:resnet18", NAMES, "none", decoder_chanels=3)
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match=r"'bert'.*smp, mask2former"):
        load(tmp_path)


def test_pretrained_weights_offline_are_required_wanted_or_not():
    with pytest.raises(ConnectionError, match=r"resnet18 cannot be reached.*pretrained=\"none\""):
        create("smp:unet:resnet18", NAMES, "require")
    with pytest.warns(UserWarning, match="resnet18 cannot be reached; training begins from random"):
        create("smp:unet:resnet18", NAMES, "auto")
    with pytest.raises(ConnectionError, match="mask2former:swin-tiny cannot be reached"):
        create("mask2former:swin-tiny", NAMES, "require")
    with pytest.raises(ValueError, match="auto, require, none"):
        build("always", list, list, "x")
    assert build("auto", lambda: "weights", lambda: "random", "x") == "weights"


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setattr("urllib.request.getproxies", dict)
    seen = []
    assert build("auto", lambda: seen.append(constants.HF_HUB_OFFLINE) or "cached", list, "x") == "cached"
    assert seen == [True] and constants.HF_HUB_OFFLINE is False
