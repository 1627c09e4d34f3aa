"""A small random vision-language model (LLaVA), saved as a folder that transformers loads."""

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from tests.small_models.seeds import seeded

SIDE, PATCH = 16, 8
TEMPLATE = (
    "{% for message in messages %}{{ message.role }} : {% for part in message.content %}"
    "{{ '<image>' if part.type == 'image' else part.text }} {% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}assistant :{% endif %}"
)
TEXT = (
    "<pad> <unk> <s> </s> <image> user assistant : Is there a an in this picture ? Answer yes Yes YES or no "
    "No NO . star heart moon donut fish mushroom house tree red blue"
)
WORDS = TEXT.split()


def word_tokenizer(words=WORDS):
    """Every word a token, the first four of them special."""
    vocabulary = {word: number for number, word in enumerate(words)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]} if "<image>" in words else {})
    return tokenizer


def save_llava(folder: Path, words=WORDS, template=TEMPLATE) -> None:
    small = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**small, image_size=SIDE, patch_size=PATCH),
        text_config=LlamaConfig(**small, vocab_size=len(words), num_key_value_heads=2),
        image_token_index=words.index("<image>"),
        image_seq_length=(SIDE // PATCH) ** 2,
    )
    with seeded("llava"):
        model = LlavaForConditionalGeneration(config)
        for weights in model.parameters():
            if weights.ndim > 1:  # the default spread of 0.02 makes all answers alike
                weights.data.mul_(8)
    model.save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        word_tokenizer(words),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    ).save_pretrained(folder)
