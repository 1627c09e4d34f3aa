"""`attnmask doctor`: what is installed, what works, what is missing, and the command that installs it."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from diffusers_attnmask import bundled
from diffusers_attnmask.doctor import environment
from diffusers_attnmask.doctor.environment import Package


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check versions, devices, extras and the bundled files; exit code 1 when something needed is broken."""
    findings = examine()
    if as_json:
        typer.echo(json.dumps(findings, indent=2))
    else:
        show(findings)
    if not findings["healthy"]:
        raise typer.Exit(1)


def examine() -> dict[str, Any]:
    core = [environment.inspect(requirement) for requirement in environment.requirements()]
    extras = {name: examine_extra(name) for name in in_progress(environment.extras())}
    files = {"model": examine_files(bundled.bundled_model), "oracle": examine_files(bundled.bundled_oracle)}
    return {
        "version": version(environment.DISTRIBUTION),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "core": {package.name: asdict(package) for package in core},
        "core_install": install_of(core),
        "devices": devices(),
        "extras": extras,
        "bundled": files,
        "healthy": not any(package.problem for package in core)
        and all(file["intact"] for file in files.values()),
    }


def examine_extra(name: str) -> dict[str, Any]:
    packages = [environment.inspect(requirement, load=True) for requirement in environment.requirements(name)]
    return {
        "works": not any(package.problem for package in packages),
        "packages": {package.name: asdict(package) for package in packages},
        "install": install_of(packages),
    }


def install_of(packages: list[Package]) -> str | None:
    broken = [package for package in packages if package.problem]
    return environment.install_command(broken) if broken else None


def examine_files(locate: Callable[[], Path]) -> dict[str, Any]:
    try:
        return {"intact": True, "path": str(locate()), "problem": None}
    except OSError as problem:
        return {"intact": False, "path": None, "problem": str(problem)}


def devices() -> list[dict[str, Any]]:
    """The devices PyTorch can use, fastest first, with their memory where it has its own."""
    import torch

    found = []
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        found.append(
            {"device": f"cuda:{index}", "name": card.name, "memory_gib": round(card.total_memory / 2**30, 1)}
        )
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": platform.processor(), "memory_gib": None})
    threads = f"{torch.get_num_threads()} threads"
    return [*found, {"device": "cpu", "name": f"{platform.machine()}, {threads}", "memory_gib": None}]


def in_progress(names: list[str]) -> Iterable[str]:
    """Importing the extras takes seconds: a bar on the error stream, where it does not disturb --json."""
    from rich.console import Console
    from rich.progress import track

    return track(names, "importing the extras", console=Console(stderr=True), transient=True)


def show(findings: dict[str, Any]) -> None:
    typer.echo(
        f"diffusers-attnmask {findings['version']}, Python {findings['python']}, {findings['platform']}"
    )
    heading("Core")
    for package in findings["core"].values():
        row(not package["problem"], package["name"], package["problem"] or package["version"])
    remedy(findings["core_install"])
    heading("Devices")
    for device in findings["devices"]:
        memory = f", {device['memory_gib']} GiB" if device["memory_gib"] else ""
        row(True, device["device"], device["name"] + memory)
    heading("Extras")
    for name, extra in findings["extras"].items():
        states = (
            f"{each['name']} {each['problem'] or each['version']}" for each in extra["packages"].values()
        )
        row(extra["works"], f"[{name}]", ", ".join(states))
        remedy(extra["install"])
    heading("Bundled files")
    for name, files in findings["bundled"].items():
        row(files["intact"], name, files["path"] or files["problem"])


def heading(title: str) -> None:
    typer.secho(f"\n{title}", bold=True)


def row(good: bool, name: str, state: str) -> None:
    mark = typer.style("ok  ", fg="green") if good else typer.style("no  ", fg="yellow")
    typer.echo(f"  {mark}{name:<16}{state}")


def remedy(command: str | None) -> None:
    if command:
        typer.echo(f"      install: {command}")
        if "pydensecrf2" in command and not shutil.which("g++"):
            typer.echo("      which needs a compiler first: apt install g++ python3-dev")
