"""Random but complete diffusers pipelines, small enough for a test.

Components are built once per session and shared; every function returns a new pipeline over them with a
scheduler of its own. Ask for `fresh=True` before changing weights or processors (LoRA, IP-Adapter, offload
hooks).
"""

import contextlib
import copy
import functools
import itertools
import zlib
from collections import Counter

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    LCMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

IMAGE_SIZE = 128  # 16 x 16 latents under the x8 autoencoder
TEXT_WIDTH = 32
VISION_WIDTH = 16
SCHEDULERS = {
    "ddim": DDIMScheduler,
    "euler-ancestral": EulerAncestralDiscreteScheduler,
    "dpm++": DPMSolverMultistepScheduler,
    "lcm": LCMScheduler,
}
NOISE_SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

# Each of these words becomes one token, as frequent words are in CLIP's vocabulary; others split.
WORDS = (
    "a an the of on in and with photo picture painting dog dogs cat cats person people man woman car cars "
    "bus train table dining plane bird horse riding sitting grass street red blue next to boat house tree "
    "star moon heart fish nut port room"
)


def learnt_merges(words):
    """Byte-pair encoding's merges for whole words, the most frequent pair first (Sennrich et al., 2016)."""
    splits = [[*word[:-1], word[-1] + "</w>"] for word in words]
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


@contextlib.contextmanager
def seeded(name):
    """Random weights that depend on the component's name alone, not on what was built before it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(name.encode()))
        yield


@functools.cache
def text_encoder(projected=False):
    names = tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(names),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
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


@functools.cache
def autoencoder():
    with seeded("autoencoder"):
        return AutoencoderKL(
            block_out_channels=(4, 4, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            norm_num_groups=2,
            latent_channels=4,
            sample_size=IMAGE_SIZE,
        ).eval()


def sharpened(unet):
    """Attention as trained models have it: with fresh weights every softmax is nearly flat.

    Words stand out, and a place attends most to places like itself.
    """
    for name, module in unet.named_modules():
        if name.endswith(("attn1", "attn2")):
            module.to_q.weight.data.mul_(4)
        if name.endswith("attn1"):
            module.to_k.weight.data.copy_(module.to_q.weight.data)
    return unet.eval()


def unet_config(levels=4, **changes):
    """Stable Diffusion 1.x in miniature: at the coarsest level only the mid block attends."""
    return {
        "sample_size": IMAGE_SIZE // 8,
        "block_out_channels": (16, 16, 32, 32)[-levels:],
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": 2,
        "down_block_types": ("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
    } | changes


@functools.cache
def sd15_unet(levels=4):
    with seeded(f"sd15 unet {levels}"):
        return sharpened(UNet2DConditionModel(**unet_config(levels)))


@functools.cache
def sd21_unet():
    heads_per_level = (2, 4, 4, 4)
    with seeded("sd21 unet"):
        return sharpened(
            UNet2DConditionModel(
                **unet_config(attention_head_dim=heads_per_level, use_linear_projection=True)
            )
        )


@functools.cache
def sdxl_unet():
    pooled_and_sizes = TEXT_WIDTH + 6 * 8
    with seeded("sdxl unet"):
        return sharpened(
            UNet2DConditionModel(
                sample_size=IMAGE_SIZE // 8,
                block_out_channels=(16, 16, 32),
                layers_per_block=1,
                norm_num_groups=8,
                cross_attention_dim=2 * TEXT_WIDTH,
                attention_head_dim=(2, 2, 4),
                transformer_layers_per_block=(1, 1, 2),
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=pooled_and_sizes,
            )
        )


def ddim(**changes):
    return DDIMScheduler(
        **NOISE_SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1, **changes
    )


def assembled(pipeline_class, fresh, dtype, scheduler="ddim", schedule=None, **components):
    components = {
        name: part if part is None else of_dtype(part, dtype, fresh) for name, part in components.items()
    }
    pipe = pipeline_class(scheduler=ddim(**(schedule or {})), **components)
    pipe.scheduler = SCHEDULERS[scheduler].from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@functools.cache
def converted(part, dtype):
    return copy.deepcopy(part).to(dtype)


def of_dtype(part, dtype, fresh):
    if not isinstance(part, torch.nn.Module):
        return part
    if dtype != torch.float32:
        part = converted(part, dtype)
    return copy.deepcopy(part) if fresh else part


def sd15(levels=4, *, fresh=False, dtype=torch.float32, scheduler="ddim", checker=None):
    return assembled(
        StableDiffusionPipeline,
        fresh,
        dtype,
        scheduler,
        vae=autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        unet=sd15_unet(levels),
        safety_checker=checker,
        feature_extractor=feature_extractor() if checker else None,
        requires_safety_checker=checker is not None,
    )


def sd21(*, fresh=False, dtype=torch.float32, scheduler="ddim"):
    """v-prediction, linear projections, a head count per level, and padding with "!"."""
    return assembled(
        StableDiffusionPipeline,
        fresh,
        dtype,
        scheduler,
        schedule={"prediction_type": "v_prediction"},
        vae=autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(pad_token="!"),
        unet=sd21_unet(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(*, fresh=False, dtype=torch.float32, scheduler="ddim"):
    return assembled(
        StableDiffusionXLPipeline,
        fresh,
        dtype,
        scheduler,
        vae=autoencoder(),
        text_encoder=text_encoder(),
        text_encoder_2=text_encoder(projected=True),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(pad_token="!"),
        unet=sdxl_unet(),
        add_watermarker=False,
    )


FAMILIES = {"sd15": sd15, "sd21": sd21, "sdxl": sdxl}


@functools.cache
def sd15_controlnet():
    with seeded("controlnet"):
        control = ControlNetModel.from_unet(
            sd15_unet(), conditioning_embedding_out_channels=(4, 4, 8, 8)
        ).eval()
        for weights in control.parameters():  # its output layers start at zero, which would control nothing
            weights.data.add_(torch.randn_like(weights), alpha=0.3)
    return control


def controlnet(**options):
    """A ControlNet pipeline over `sd15(**options)`; call it with `image=picture()`."""
    pipe = sd15(**options)
    control = of_dtype(sd15_controlnet(), pipe.dtype, fresh=False)
    return derived(StableDiffusionControlNetPipeline, pipe, controlnet=control)


def derived(pipeline_class, pipe, **extra):
    """Another pipeline over the same components (`from_pipe` alone would cast them all to float32)."""
    pipe = pipeline_class.from_pipe(pipe, dtype=pipe.dtype, **extra)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def feature_extractor():
    return CLIPImageProcessor(size=32, crop_size=32)


VISION = {
    "hidden_size": VISION_WIDTH,
    "intermediate_size": 2 * VISION_WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": VISION_WIDTH,
}


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


def with_lora(pipe, rank=2):
    """Give a fresh pipeline a random LoRA on every attention layer through its own `load_lora_weights`."""
    weights = {}
    with seeded("lora"):
        for name, module in pipe.unet.named_modules():
            if name.endswith(("to_q", "to_k", "to_v", "to_out.0")):
                weights[f"unet.{name}.lora_A.weight"] = torch.randn(rank, module.in_features) * 0.2
                weights[f"unet.{name}.lora_B.weight"] = torch.randn(module.out_features, rank) * 0.2
    pipe.load_lora_weights(weights)
    return pipe


def safety_checker(threshold=-2.0):
    """Blanks the images whose cosine to a random concept exceeds `threshold`: by default all of them."""
    config = CLIPConfig(
        vision_config=VISION, text_config={"hidden_size": TEXT_WIDTH}, projection_dim=VISION_WIDTH
    )
    with seeded("safety checker"):
        checker = StableDiffusionSafetyChecker(config).eval()
        checker.concept_embeds.data.normal_()
        checker.concept_embeds_weights.data.fill_(threshold)
    return checker


def picture(seed=0, size=IMAGE_SIZE):
    """A blurred random RGB picture, for image conditions."""
    noise = torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(seed))
    small = Image.fromarray((noise * 255).byte().numpy())
    return small.resize((size, size), Image.Resampling.BICUBIC)
