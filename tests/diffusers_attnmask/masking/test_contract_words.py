"""A class's tokens are found exactly, or the error shows how the prompt was split."""

import re

import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.families import StableDiffusion
from tests.small_models import sd15, sd21, sdxl, tokenizer

CALL = {"num_inference_steps": 1, "output_type": "pt"}
LONG = "a dog " + "and a red car next to " * 20 + "a cat"


def masked(pipe=None, prompt="a dog and a cat", **options):
    generator = torch.Generator().manual_seed(3)
    return DiffuMaskPipeline.from_pipe(pipe or sd15())(prompt, generator=generator, **(CALL | options))


def test_the_tokenizer_sets_the_traps_that_these_tests_rely_on():
    """The last token of a longer word is a whole word's token, and a class may take several tokens."""
    assert tokenizer().tokenize("a donut, catfish")[-2:] == ["t", "fish</w>"]
    assert tokenizer().tokenize("donut") == ["do", "nut</w>"]
    assert tokenizer().tokenize("nut fish aeroplane") == ["nut</w>", "fish</w>", "a", "e", "ro", "plane</w>"]


@pytest.mark.parametrize("method", ["daam", "diffumask"])
@pytest.mark.parametrize(
    ("prompt", "phrase"),
    [
        ("a dog and a cat", "horse"),
        ("a donut", "nut"),
        ("a donut", "do"),
        ("two dogs", "dog"),
        ("a dog", "dogs"),
        ("a catfish", "cat"),
        ("a catfish", "fish"),
        ("a table, dining", "dining table"),
        ("a dining room with a table", "dining table"),
        ("a dog", "og"),
    ],
)
def test_a_phrase_that_the_prompt_lacks_is_an_error_that_shows_the_split(method, prompt, phrase):
    with pytest.raises(ValueError) as error:
        masked(prompt=prompt, classes=[phrase], mask_method=method)
    pieces = [re.escape(token.removesuffix("</w>")) for token in tokenizer().tokenize(prompt)]
    assert repr(phrase) in str(error.value)
    assert re.search(r"\S?\s?".join(pieces), str(error.value)), str(error.value)


@pytest.mark.parametrize("build", [sd15, sd21, sdxl])
def test_a_phrase_lost_to_truncation_is_an_error_that_says_so(build):
    with pytest.raises(ValueError, match=r"(?s)'cat'.*77|77.*'cat'"):
        masked(build(), LONG, classes=["dog", "cat"])
    assert masked(build(), LONG, classes=["dog"]).heatmaps[0].shape == (1, 128, 128)


def test_appended_classes_that_truncation_would_cut_off_are_an_error():
    with pytest.raises(ValueError, match="77"):
        masked(prompt=LONG, classes=["dog"], mask_method="dataset-diffusion")


def test_the_padding_sign_of_stable_diffusion_2_is_a_sign_like_any_other():
    """Its tokenizer pads with "!", which a prompt may also contain."""
    plain = masked(sd21(), "a dog , and a cat", classes=["cat"])
    signed = masked(sd21(), "a dog! and a cat!", classes=["cat"])
    assert signed.heatmaps[0].shape == plain.heatmaps[0].shape
    with pytest.raises(ValueError, match="horse"):
        masked(sd21(), "a dog! and a cat!", classes=["horse"])


@pytest.mark.parametrize("case", ["Dog", "DOG", " dog ", "dog"])
def test_case_and_outer_spaces_of_a_phrase_do_not_matter(case):
    expected = masked(prompt="a dog", classes=["dog"]).heatmaps[0]
    assert torch.equal(masked(prompt="a Dog", classes=[case]).heatmaps[0], expected)


def test_spaces_inside_a_phrase_and_a_prompt_do_not_matter():
    expected = masked(prompt="a dining table", classes=["dining table"]).heatmaps[0]
    found = masked(prompt="a  dining   table", classes=["dining  table"]).heatmaps[0]
    assert torch.equal(found, expected)


@pytest.mark.parametrize("phrase", ["", "   ", {"animal": []}, {"animal": [""]}, {"": ["dog"]}])
def test_an_empty_phrase_is_an_error(phrase):
    with pytest.raises(ValueError, match=r"empty|blank|phrase"):
        masked(classes=[phrase])


@pytest.mark.parametrize(
    "classes", [["dog", "dog"], ["dog", "Dog"], ["dog", {"dog": ["cat"]}], [["dog", "dog"]]]
)
def test_a_class_given_twice_is_an_error_that_names_it(classes):
    with pytest.raises(ValueError, match=r"(?i)dog"):
        masked(classes=classes)


@pytest.mark.parametrize("classes", [5, [5], [None], "dog", "", [], [[]]])
def test_what_is_no_class_is_an_error(classes):
    with pytest.raises((TypeError, ValueError), match=r"class"):
        masked(classes=classes)


def test_one_list_of_classes_serves_every_prompt_and_a_list_of_lists_each_its_own():
    prompts = ["a dog and a cat", "a cat and a dog"]
    shared = masked(prompt=prompts, classes=["dog", "cat"])
    separate = masked(prompt=prompts, classes=[["dog", "cat"], ["cat"]])
    assert shared.class_names == ["background", "dog", "cat"]
    assert torch.equal(shared.heatmaps[1][1:], separate.heatmaps[1])
    with pytest.raises(ValueError, match="2"):
        masked(prompt=prompts, classes=[["dog"], ["cat"], ["dog"]])


def test_a_named_class_keeps_its_name_and_reads_its_phrases():
    out = masked(prompt="a plane and a dog", classes=[{"aeroplane": ["plane", "jet"]}, "dog"])
    assert out.class_names == ["background", "aeroplane", "dog"]
    alone = masked(prompt="a plane and a dog", classes=["plane", "dog"])
    assert torch.equal(out.heatmaps[0], alone.heatmaps[0])


def test_a_named_class_none_of_whose_phrases_occurs_is_an_error_that_lists_them():
    with pytest.raises(ValueError, match=r"(?s)airplane.*jet"):
        masked(prompt="a dog", classes=[{"aeroplane": ["airplane", "jet"]}])


def test_sdxl_takes_words_of_either_prompt():
    """Both encoders read the same positions, the second one from `prompt_2` where it is given."""
    both = masked(sdxl(), "a dog and a cat", classes=["cat"])
    same = masked(sdxl(), "a dog and a cat", prompt_2="a dog and a cat", classes=["cat"])
    assert torch.equal(both.heatmaps[0], same.heatmaps[0])
    second = masked(sdxl(), "a dog and a car", prompt_2="a dog and a cat", classes=["cat"])
    assert second.heatmaps[0].shape == (1, 128, 128)
    with pytest.raises(ValueError, match="horse"):
        masked(sdxl(), "a dog and a car", prompt_2="a dog and a cat", classes=["horse"])


def test_prompt_embeddings_without_words_are_refused_with_a_remedy():
    embeddings = sd15().encode_prompt("a dog", "cpu", 1, False)[0]
    with pytest.raises(ValueError, match="prompt"):
        masked(prompt=None, prompt_embeds=embeddings, classes=["dog"], guidance_scale=1.0)


def test_an_unknown_method_is_an_error_that_lists_those_there_are():
    with pytest.raises(ValueError, match=r"'dam'.*\bdaam\b.*\bdiffumask\b"):
        masked(classes=["dog"], mask_method="dam")
    with pytest.raises(TypeError, match="mask_method"):
        masked(classes=["dog"], mask_method=7)


@pytest.mark.parametrize("build", [sd15, sdxl])
@pytest.mark.parametrize("method", ["diffumask", "dataset-diffusion", "daam", "ovam"])
def test_what_a_call_would_refuse_is_told_without_sampling(build, method):
    prompts = ["a dog and a cat", LONG, "a donut", "a dog"]
    classes = [
        ["dog", ("cat", ("cat", "kitten"))],
        ["dog", "cat"],
        ["nut"],
        [f"horse {i}" for i in range(40)],
    ]
    said = []
    for prompt, own in zip(prompts, classes, strict=True):
        try:
            masked(build(), prompt, classes=own, mask_method=method)
        except ValueError as refusal:
            said.append(str(refusal))
        else:
            said.append(None)
    pipe = DiffuMaskPipeline.from_pipe(build())
    assert pipe.refusals(prompts, classes, method) == said
    assert said[0] is None and said[3]
    with pytest.raises(ValueError, match="'dam'"):
        pipe.refusals(prompts, classes, "dam")


def test_what_a_family_itself_would_refuse_is_told_without_sampling(monkeypatch):
    def refuse(family, pipe, arguments, splits):
        ((split,),) = splits
        if "cat" in arguments["prompt"]:
            raise ValueError(f"no cats: {split.prompt}")

    monkeypatch.setattr(StableDiffusion, "check_call", refuse)
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    assert pipe.refusals(["a dog", "a cat"], [["dog"], ["cat"]], "daam") == [None, "no cats: a cat"]


def test_a_traced_call_refuses_a_phrase_that_its_prompt_lacks():
    pipe = sd15()
    with pytest.raises(ValueError, match="horse"), trace(pipe, classes=["horse"]):
        pipe("a dog and a cat", **CALL)
