"""`attnmask doctor`: what is installed, what works, what is missing, and the command that installs it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from diffusers_attnmask.doctor.environment import lacks_compiler


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check versions, devices, extras and the bundled files; exit code 1 when something needed is broken."""
    from diffusers_attnmask.doctor.examine import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps(findings, indent=2))
    else:
        show(findings)
    if not findings["healthy"]:
        raise typer.Exit(1)


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
    typer.echo(f"  {mark}{name:<18}{state}")


def remedy(command: str | None) -> None:
    if command:
        typer.echo(f"      install: {command}")
        if lacks_compiler(command):
            typer.echo("      which needs a compiler first: apt install g++ python3-dev")
