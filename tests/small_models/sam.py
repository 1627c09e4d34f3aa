"""Random SAMs of each generation, of transformers' own classes, saved as their repositories are."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    PreTrainedModel,
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3Model,
    Sam3Processor,
    Sam3TrackerConfig,
    Sam3TrackerModel,
    SamConfig,
    SamImageProcessor,
    SamModel,
)

from tests.small_models.seeds import seeded
from tests.small_models.text import tokenizer

SIDE, WIDTH = 64, 32
SQUARE = {"height": SIDE, "width": SIDE}
LOW = {"height": SIDE // 4, "width": SIDE // 4}
PROMPTS = {"hidden_size": WIDTH, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 8}
DECODER = {
    "hidden_size": WIDTH,
    "mlp_dim": WIDTH,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 16,
    "iou_head_depth": 2,
}
SMALL = {"hidden_size": WIDTH, "num_attention_heads": 2, "intermediate_size": WIDTH}


def sam(folder: Path) -> PreTrainedModel:
    """The first SAM: pictures keep their shape and are padded."""
    vision = {
        "hidden_size": WIDTH,
        "output_channels": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 16,
        "window_size": 2,
        "global_attn_indexes": [1],
        "num_pos_feats": WIDTH // 2,
        "initializer_range": 0.02,
    }
    config = SamConfig(vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER)
    sizes = {"size": {"longest_edge": SIDE}, "pad_size": SQUARE, "mask_pad_size": LOW}
    return saved(SamModel, config, SamImageProcessor(**sizes, mask_size={"longest_edge": SIDE // 4}), folder)


def sam2(folder: Path) -> PreTrainedModel:
    """SAM 2: pictures are squeezed into a square."""
    backbone = {
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 2],
        "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [3],
    }
    vision = {
        "backbone_config": {"model_type": "sam2_hiera_det_model", **backbone},
        "fpn_hidden_size": WIDTH,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }
    config = Sam2Config(vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER)
    return saved(Sam2Model, config, Sam2ImageProcessor(size=SQUARE, mask_size=LOW), folder)


def sam3_vision() -> dict:
    backbone = {
        "model_type": "sam3_vit_model",
        **SMALL,
        "num_hidden_layers": 2,
        "image_size": SIDE,
        "patch_size": 16,
        "window_size": 2,
        "global_attn_indexes": [1],
        "pretrain_image_size": SIDE,
    }
    return {
        "backbone_config": backbone,
        "fpn_hidden_size": WIDTH,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }


def sam3_tracker(folder: Path) -> PreTrainedModel:
    """The half of SAM 3 that takes boxes and points."""
    config = Sam3TrackerConfig(
        vision_config={"model_type": "sam3_vision_model", **sam3_vision()},
        prompt_encoder_config=PROMPTS,
        mask_decoder_config=DECODER,
    )
    return saved(Sam3TrackerModel, config, Sam3ImageProcessor(size=SQUARE, mask_size=LOW), folder)


def sam3(folder: Path) -> PreTrainedModel:
    """The half of SAM 3 that takes words."""
    words = tokenizer()
    layers = {**SMALL, "num_layers": 1}
    config = Sam3Config(
        vision_config=sam3_vision(),
        text_config={
            "model_type": "clip_text_model",
            **SMALL,
            "vocab_size": len(words),
            "projection_dim": WIDTH,
            "num_hidden_layers": 1,
            "max_position_embeddings": 32,
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
        },
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config={**layers, "num_queries": 6},
        mask_decoder_config={"hidden_size": WIDTH, "num_attention_heads": 2},
    )
    processor = Sam3Processor(Sam3ImageProcessor(size=SQUARE, mask_size=LOW), words)
    return saved(Sam3Model, config, processor, folder)


def saved(kind: type, config, processor, folder: Path) -> PreTrainedModel:
    with seeded(kind.__name__):
        model = kind(config).eval()
        for weights in model.parameters():
            if weights.ndim > 1:  # transformers' spread of 0.02 makes all candidates alike
                torch.nn.init.xavier_normal_(weights)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model


PROMPTED = {"sam": sam, "sam2": sam2, "sam3_tracker": sam3_tracker}
