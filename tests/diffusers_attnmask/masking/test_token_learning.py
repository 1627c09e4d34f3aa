"""A class learned from one annotated picture, kept in a file, and used as a phrase."""

import numpy as np
import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.masking.token_learning import annotation, optimize_tokens
from diffusers_attnmask.words.token_embedding import TokenEmbedding
from tests.small_models import picture, sd15, sdxl

SAMPLING = {"num_inference_steps": 3}


def seeded():
    return torch.Generator().manual_seed(0)


def corner():
    mask = np.zeros((128, 128), np.uint8)
    mask[40:110, :64] = 1
    return mask


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize(("build", "reached"), [(sd15, 0.55), (sdxl, 0.72)])
def test_a_learned_embedding_finds_its_region_better_than_the_word(build, reached, tmp_path):
    pipe = DiffuMaskPipeline.from_pipe(build())
    learned = optimize_tokens(
        pipe, "a dog", corner(), name="corner", steps=60, generator=seeded(), **SAMPLING
    )
    read = TokenEmbedding.load(learned.save(tmp_path / "corner.safetensors"))
    assert (read.name, read.positions) == ("corner", learned.positions)
    assert torch.equal(read.context, learned.context)

    def found(classes):
        out = pipe(
            "a dog", classes=classes, mask_method="ovam", generator=seeded(), output_type="np", **SAMPLING
        )
        return out.masks[0] == 1

    by_word, by_embedding = (
        iou(found(classes), corner() == 1) for classes in (["dog"], [{"corner": [read]}])
    )
    assert by_embedding > by_word + 0.05
    assert by_embedding > reached, "learned by the map as it is before it is stretched to [0, 1]"
    assert pipe("a dog", classes=[read], mask_method="ovam", **SAMPLING).class_names == [
        "background",
        "corner",
    ]


def test_an_existing_image_can_be_learned_from():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    learned = optimize_tokens(
        pipe, picture(), corner(), name="dog", prompt="a dog", steps=3, generator=seeded()
    )
    assert learned.context.shape == (2, pipe.unet.config.cross_attention_dim)


def test_learning_leaves_the_model_alone():
    pipe = DiffuMaskPipeline.from_pipe(sd15(fresh=True))
    before = [weight.clone() for weight in pipe.unet.parameters()]
    optimize_tokens(pipe, "a dog", corner(), name="dog", steps=2, generator=seeded(), **SAMPLING)
    assert all(torch.equal(*pair) for pair in zip(before, pipe.unet.parameters(), strict=True))
    assert all(weight.grad is None for weight in pipe.unet.parameters())


def test_unknown_pixels_are_neither_class_nor_background():
    target, known = annotation(np.array([[0, 1, 255]], np.uint8))
    assert (target.tolist(), known.tolist()) == ([[0, 1, 0]], [[1, 1, 0]])
    target, known = annotation(np.array([[0, 255]], np.uint8))
    assert (target.tolist(), known.tolist()) == ([[0, 1]], [[1, 1]])
    assert annotation(np.array([[True, False]]))[0].tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="mark the class"):
        annotation(np.zeros((4, 4)))


def test_an_embedding_of_another_model_is_refused():
    foreign = TokenEmbedding("dog", torch.zeros(2, 7), (1,))
    with pytest.raises(ValueError, match=r"7 wide.*32"):
        DiffuMaskPipeline.from_pipe(sd15())("a dog", classes=[foreign], mask_method="ovam")


def test_another_file_is_refused_by_name(tmp_path):
    from safetensors.torch import save_file

    save_file({"context": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not a token embedding"):
        TokenEmbedding.load(tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no")
    with pytest.raises(ValueError, match="safetensors"):
        TokenEmbedding.load(tmp_path / "text.safetensors")
