import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

from dataset_builder.noise.clip_score import ClipScore
from tests.small_models import sd15

PICTURES = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
PROMPTS = ["dog", "cat", "a dog and a cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = sd15().tokenizer
    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = CLIPConfig(
        text_config={**small, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    path = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(path)
    image_processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor, tokenizer).save_pretrained(path)
    return str(path)


def test_scores_are_cosine_similarities_whatever_the_batches(folder):
    score = ClipScore(folder)
    together = score(PICTURES, PROMPTS)
    batched = list(score.over(zip(PICTURES, PROMPTS, strict=True), batch_size=2))
    assert all(-1 <= value <= 1 for value in together) and len(set(together)) == 3
    assert batched == pytest.approx(together, abs=1e-5)
    with torch.no_grad():
        inputs = score.processor(text=PROMPTS[:1], images=PICTURES[:1], return_tensors="pt")
        expected = score.model(**inputs).logits_per_image / score.model.logit_scale.exp()
    assert together[0] == pytest.approx(expected.item(), abs=1e-5)
