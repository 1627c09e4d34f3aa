"""What is loaded into a pipeline that exists: an IP-Adapter, a LoRA."""

import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.small_models.pictures import VISION, VISION_WIDTH, feature_extractor
from tests.small_models.seeds import seeded


def with_ip_adapter(pipe, scale=0.7):
    """Give a fresh pipeline an image prompt of 4 tokens through its own `load_ip_adapter`."""
    with seeded("ip-adapter"):
        encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)).eval().to(pipe.dtype)
        pipe.register_modules(image_encoder=encoder, feature_extractor=feature_extractor())
        width = pipe.unet.config.cross_attention_dim
        projection = {
            "proj.weight": torch.randn(4 * width, VISION_WIDTH),
            "proj.bias": torch.zeros(4 * width),
            "norm.weight": torch.ones(width),
            "norm.bias": torch.zeros(width),
        }
        layers = {}
        names = [name for name in pipe.unet.attn_processors if name.endswith("attn2.processor")]
        for index, name in enumerate(names):
            channels = pipe.unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
            for part in ("to_k_ip", "to_v_ip"):
                layers[f"{2 * index + 1}.{part}.weight"] = torch.randn(channels, width) / width**0.5
    pipe.load_ip_adapter({"image_proj": projection, "ip_adapter": layers}, subfolder="", weight_name="")
    pipe.unet.to(pipe.dtype)
    pipe.set_ip_adapter_scale(scale)
    return pipe


LORA_LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")


def with_lora(pipe, rank=2, name=None):
    """Give a fresh pipeline a random LoRA on every attention layer through its own `load_lora_weights`."""
    part = "unet" if hasattr(pipe, "unet") else "transformer"
    weights = lora_weights(getattr(pipe, part), rank, name)
    pipe.load_lora_weights({f"{part}.{layer}": own for layer, own in weights.items()}, adapter_name=name)
    return pipe


def lora_weights(denoiser, rank=2, name=None):
    weights = {}
    with seeded(name or "lora"):
        for layer, module in denoiser.named_modules():
            if layer.endswith(LORA_LAYERS) and hasattr(module, "in_features"):
                weights[f"{layer}.lora_A.weight"] = torch.randn(rank, module.in_features) * 0.2
                weights[f"{layer}.lora_B.weight"] = torch.randn(module.out_features, rank) * 0.2
    return weights
