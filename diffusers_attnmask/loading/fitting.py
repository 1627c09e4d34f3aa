"""What does not fit a model, told before any of its weights is loaded: every fault at once, by its option."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from diffusers_attnmask.ground.device import device_called
from diffusers_attnmask.ground.options import Fault, OptionsError
from diffusers_attnmask.loading.compiling import missing_compiler
from diffusers_attnmask.loading.options import DrawingOptions, ModelOptions
from diffusers_attnmask.loading.scheduler_trial import USUAL_STEPS, stumbles
from diffusers_attnmask.loading.source import ComponentSource, ModelSource, find_component, read_config

# Arguments of a pipeline's call that are options of their own, or not the caller's to choose.
SPOKEN_FOR = {
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "height": "size",
    "width": "size",
    "generator": "seed",
    **dict.fromkeys(("image", "control_image"), "controlnet or adapter, and the pictures that go with it"),
    **dict.fromkeys(
        ("prompt", "classes", "mask_method", "mask_options", "mask_prompt", "instances"),
        "prompts and method",
    ),
    **dict.fromkeys(("output_type", "return_dict", "num_images_per_prompt"), "the command"),
}
BACKENDS = {  # of quantisation: what each needs installed
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "gguf": "gguf",
    "modelopt": "modelopt",
    "quanto": "optimum.quanto",
    "torchao": "torchao",
}
FLOW = "FlowMatch"
SCHEDULER_CONFIG = "scheduler/scheduler_config.json"


def check_fit(source: ModelSource, options: ModelOptions) -> dict[str, ComponentSource]:
    """Refuse what this model or this machine cannot do. What comes from elsewhere is returned, found."""
    found: dict[str, ComponentSource] = {}
    faults = [
        *_of_machine(options),
        *_of_single_file(source),
        *_of_scheduler(source, options),
        *_of_loras(source, options),
        *_of_components(source, options, found),
        *_of_vae(source, options),
        *_of_quantization(source, options),
        *(_of_call(source, options) if isinstance(options, DrawingOptions) else ()),
    ]
    if faults:
        raise OptionsError(faults)
    return found


def _of_machine(options: ModelOptions) -> Iterator[Fault]:
    try:
        device = device_called(options.device)
    except ValueError as mistake:
        yield Fault("device", f": {mistake}")
        return
    if options.offload != "none" and device == "cpu":
        yield Fault(
            "offload", f" {options.offload} needs a GPU, from which weights can stay away: leave it out"
        )
    if options.compile and options.offload != "none":
        yield Fault("compile", f" goes without offload {options.offload}, which moves what is compiled")
    if options.compile and (compiler := missing_compiler(device)):
        yield Fault("compile", f" needs the compiler {compiler}, which is not installed")


def _of_single_file(source: ModelSource) -> Iterator[Fault]:
    if source.single_file and not hasattr(source.kind, "from_single_file"):
        yield Fault("config", f": diffusers loads {source.kind.__name__} from no single file: name a folder")


def _of_scheduler(source: ModelSource, options: ModelOptions) -> Iterator[Fault]:
    import diffusers

    own = source.components["scheduler"][1]
    name = options.scheduler or own
    kind = getattr(diffusers, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, diffusers.SchedulerMixin)):
        yield Fault("scheduler", f": diffusers has no scheduler {name!r}: name one such as DDIMScheduler")
        return
    known = list(inspect.signature(kind.__init__).parameters)[1:]
    unknown = options.scheduler_options.keys() - set(known)
    for option in unknown:
        yield Fault("scheduler_options", f": {name} has no option {option}: {_near(option, known)}")
    flows = name.startswith(FLOW) or options.scheduler_options.get("use_flow_sigmas") is True
    if own.startswith(FLOW) and not flows:
        told = f" {name}: the model was trained by flow matching: name a {FLOW}… scheduler"
        remedy = ", or give the scheduler option use_flow_sigmas: true" if "use_flow_sigmas" in known else ""
        yield Fault("scheduler", told + remedy)
    elif not own.startswith(FLOW) and name.startswith(FLOW):
        yield Fault("scheduler", f" {name} is for flow matching, and the model's own is {own}")
    elif (options.scheduler or options.scheduler_options) and not unknown:
        yield from _of_first_step(source, options, kind, getattr(diffusers, own))


def _of_first_step(source: ModelSource, options: ModelOptions, kind: Any, own: Any) -> Iterator[Fault]:
    """A scheduler must take what the model's own takes."""
    config = read_config(source.configuration, SCHEDULER_CONFIG, "model", source.hub)
    if stumbles(own, config):
        return
    asked = {**config, **options.scheduler_options}
    if said := stumbles(kind, asked, getattr(options, "steps", USUAL_STEPS)):
        name = "scheduler" if options.scheduler else "scheduler_options"
        yield Fault(name, f": {kind.__name__} does not sample so for {source.kind.__name__}: {said}")


def _of_loras(source: ModelSource, options: ModelOptions) -> Iterator[Fault]:
    if not options.loras:
        return
    if not hasattr(source.kind, "load_lora_weights"):
        yield Fault("loras", f": {source.kind.__name__} of diffusers takes no LoRA")
    elif find_spec("peft") is None:
        yield Fault("loras", " need peft: pip install peft")
    for lora in options.loras:
        if not Path(lora.path).exists() and lora.path.count("/") != 1:
            yield Fault("loras", f": there is no file or folder {lora.path}, and no repository has this name")


def _of_components(
    source: ModelSource, options: ModelOptions, found: dict[str, ComponentSource]
) -> Iterator[Fault]:
    """VAE, ControlNet and adapter must be one."""
    for name, word in (("vae", "Autoencoder"), ("controlnet", "ControlNet"), ("adapter", "Adapter")):
        if (address := getattr(options, name)) is None:
            continue
        found[name] = part = find_component(address, name)
        if word not in part.class_name:
            yield Fault(name, f": {address} holds a {part.class_name}, which is no {name}")
        elif name == "vae" and "vae" not in source.components:
            yield Fault(name, f": {source.kind.__name__} has none that could be replaced")
        elif name == "vae":
            own = source.config_of("vae").get("latent_channels")
            if (given := part.config.get("latent_channels")) != own:
                yield Fault(name, f": {address} has {given} latent channels, and the model needs {own}")


def _of_vae(source: ModelSource, options: ModelOptions) -> Iterator[Fault]:
    import diffusers

    name = source.components.get("vae", ("", ""))[1]
    for option in ("tiling", "slicing"):
        if getattr(options, f"vae_{option}") and not hasattr(
            getattr(diffusers, name, None), f"enable_{option}"
        ):
            yield Fault(f"vae_{option}", f": the model's VAE ({name or 'none'}) does not do so")


def _of_quantization(source: ModelSource, options: ModelOptions) -> Iterator[Fault]:
    if options.quantization is None:
        return
    from diffusers import PipelineQuantizationConfig

    backend = options.quantization.get("quant_backend")
    if backend not in BACKENDS:
        yield Fault("quantization.quant_backend", f" must be one of {', '.join(BACKENDS)}, not {backend!r}")
        return
    if find_spec(BACKENDS[backend].partition(".")[0]) is None:
        name = BACKENDS[backend].replace(".", "-")
        yield Fault("quantization.quant_backend", f" {backend} needs {name}: pip install {name}")
        return
    parts = options.quantization.get("components_to_quantize") or []
    for part in [parts] if isinstance(parts, str) else parts:
        if part not in source.components:
            told = f": the model has no {part}: it has {', '.join(source.components)}"
            yield Fault("quantization.components_to_quantize", told)
    try:
        PipelineQuantizationConfig(**options.quantization)
    except (TypeError, ValueError) as mistake:
        yield Fault("quantization", f": {mistake}")


def _of_call(source: ModelSource, options: DrawingOptions) -> Iterator[Fault]:
    name, free = source.kind.__name__, [own for own in source.call if own not in {"self", *SPOKEN_FOR}]
    for argument in options.call:
        if argument in SPOKEN_FOR:
            yield Fault("call", f".{argument} is decided by {SPOKEN_FOR[argument]}")
        elif argument not in free:
            yield Fault("call", f": {name} has no argument {argument}: {_near(argument, free)}")
    yield from _missing(source.call, {"guidance": options.guidance}, {"guidance": ("guidance_scale",)}, name)
    yield from _missing(source.call, {"size": options.size}, {"size": ("height", "width")}, name)


def _missing(
    call: Mapping[str, Any], given: Mapping[str, Any], wanted: Mapping[str, tuple[str, ...]], name: str
) -> Iterator[Fault]:
    """Options that become arguments which the pipeline's call does not have."""
    for option, arguments in wanted.items():
        if given[option] is not None and not all(argument in call for argument in arguments):
            other = [own for own in call if "cfg" in own or "guidance" in own] if option == "guidance" else []
            hint = f"; its call has {', '.join(other)}" if other else ""
            yield Fault(option, f": {name} has no {' and '.join(arguments)}{hint}")


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known := list(known), 1)
    return f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
