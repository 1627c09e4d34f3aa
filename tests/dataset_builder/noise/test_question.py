import pytest
import torch
from PIL import Image

from dataset_builder.noise.question import Questioner, answers, question
from tests.small_models.vision_language import WORDS, save_llava
from tests.train_segmenter.shapes import Squares

PICTURES = [Image.new("RGB", (20, 16), colour) for colour in ("red", "green", "blue")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("llava")
    save_llava(path)
    return str(path)


def slow_yes(ask, image, name):
    """One question by itself, all words of the answer in the open."""
    text = f"user : <image> {question(name)} assistant :"
    inputs = ask.processor(text=text, images=image, return_tensors="pt")
    probabilities = ask.model(**inputs).logits[0, -1].softmax(-1)
    yes = sum(probabilities[WORDS.index(word)] for word in ("yes", "Yes", "YES"))
    no = sum(probabilities[WORDS.index(word)] for word in ("no", "No", "NO"))
    return (yes / (yes + no)).item()


@torch.no_grad()
def test_an_answer_is_the_share_of_yes_whatever_is_asked_beside_it(folder):
    ask = Questioner(folder)
    names = ["star", "a red house", "heart"]  # questions of two lengths, so that one is padded
    told = ask(PICTURES, names)
    slow = [slow_yes(ask, image, name) for image, name in zip(PICTURES, names, strict=True)]
    assert told == pytest.approx(slow, abs=1e-5)
    assert len({round(own, 4) for own in told}) == 3 and all(0 < own < 1 for own in told)


def test_every_class_of_every_mask_is_asked_for(folder):
    ask, source = Questioner(folder), Squares(5)
    found = answers(source, ask, progress=False)
    for index, told in enumerate(found):
        assert set(told) == {1, 2}
        image = Image.fromarray(source[index].image)
        assert list(told.values()) == pytest.approx(ask([image, image], ["red", "blue"]), abs=1e-5)


def test_models_that_answer_no_questions_are_refused(tmp_path):
    save_llava(tmp_path / "mute", template=None)
    with pytest.raises(ValueError, match="mute holds no conversation"):
        Questioner(str(tmp_path / "mute"))
    save_llava(tmp_path / "deaf", words=[word for word in WORDS if word.lower() not in ("yes", "no")])
    with pytest.raises(ValueError, match="deaf does not tell yes from no"):
        Questioner(str(tmp_path / "deaf"))
