"""Text: CLIP's tokenizer over a small vocabulary, and its text encoders."""

import functools
import itertools
from collections import Counter

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.small_models.seeds import seeded

TEXT_WIDTH = 32
# Each of these words becomes one token, as frequent words are in CLIP's vocabulary; others split.
WORDS = (
    "a an the of on in and with photo picture painting dog dogs cat cats person people man woman car cars "
    "bus train table dining plane bird horse riding sitting grass street red blue next to boat house tree "
    "star moon heart fish nut port room"
)


def learnt_merges(words):
    """Byte-pair encoding's merges for whole words, the most frequent pair first (Sennrich et al., 2016)."""
    return merges_of([[*word[:-1], word[-1] + "</w>"] for word in words])


def merges_of(splits):
    merges = []
    while pairs := Counter(pair for split in splits for pair in itertools.pairwise(split)):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        splits = [merged(split, best) for split in splits]
    return merges


def merged(split, pair):
    joined = []
    for piece in split:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


@functools.cache
def tokenizer(pad_token="<|endoftext|>"):
    """CLIP's own byte-level BPE, 77 tokens, over a vocabulary learnt from the words above."""
    letters = sorted(ByteLevel.alphabet())
    merges = learnt_merges(WORDS.split())
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77, pad_token=pad_token)


@functools.cache
def text_encoder(projected=False, positions=77):
    names = tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(names),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=positions,
        bos_token_id=names.bos_token_id,
        eos_token_id=names.eos_token_id,
        pad_token_id=names.pad_token_id,
    )
    with seeded(f"text encoder {projected}"):
        encoder = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()
        for name, weights in encoder.named_parameters():
            if "embedding" in name:  # CLIP's default spread of 0.02 makes all words alike
                weights.data.normal_(0, 0.5)
    return encoder
