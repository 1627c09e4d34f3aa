"""Where a stage runs: in this process, in others beside it, on a cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from diffusers_attnmask.ground.options import Fault, Name, OptionsError, Processes, Whole, options, shown

LOCAL, AUTO = "local", "auto"  # addresses of a cluster: a new one here, and the one that is here
CLIENT = "ray://"


def checked_address(address: str) -> str:
    if address not in (LOCAL, AUTO):
        host_and_port(address)
    return address


def host_and_port(address: str) -> tuple[str, int]:
    """
    >>> host_and_port("ray://head:10001")
    ('head', 10001)
    """
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not (host and port.isascii() and port.isdecimal() and int(port) < 2**16):
        told = f" must be {LOCAL}, {AUTO}, HOST:PORT or {CLIENT}HOST:PORT, not {shown(address)}"
        raise OptionsError([Fault("", told)])
    return host.strip("[]"), int(port)


Address = Annotated[Name, AfterValidator(checked_address)]


@options
class EngineOptions:
    """How a stage is run; none of it changes a byte.

    workers: processes at work, of which one alone is this one; of a build, those that refine beside the
    sampler; with ray, actors. address: of a ray cluster, or "local". gpus: numbers of this machine's GPUs, on
    each of which a process works; with ray, whatever the cluster has.
    """

    engine: Literal["local", "ray"] = "local"
    workers: Processes = 1
    address: Address = LOCAL
    gpus: tuple[Whole, ...] = ()

    def __post_init__(self) -> None:
        if self.engine == "ray" and not self.workers:
            raise OptionsError([Fault("workers", " must be at least 1 with engine ray, not 0")])
        if self.engine == "ray" and self.gpus:
            raise OptionsError([Fault("gpus", " are for engine local: ray gives each worker its own GPU")])
        if self.engine == "local" and self.address != LOCAL:
            raise OptionsError([Fault("address", f" {self.address} is for engine ray: ask for that, too")])
        if len(set(self.gpus)) < len(self.gpus):
            raise OptionsError([Fault("gpus", f" must be different ones, not {list(self.gpus)}")])
