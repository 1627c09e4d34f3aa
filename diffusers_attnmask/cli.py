"""The `attnmask` command: a root that finds its subcommands among the installed entry points."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from importlib.metadata import EntryPoint, entry_points, version
from inspect import Parameter, signature
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from diffusers_attnmask.cli_errors import FAULT, MISTAKE, STOPPED, UsageError, close_bars, told
from diffusers_attnmask.quiet import quiet_libraries

COMMAND_GROUP = "attnmask.commands"
VERBOSE = Parameter(
    "verbose",
    Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the bars, logs and warnings of libraries, too.")
    ],
)


def installed_commands() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=COMMAND_GROUP))}


def command_from(entry: EntryPoint) -> Any:
    """The entry point's function as a command; one that cannot be imported is listed and says why."""
    try:
        function = entry.load()
    except (ImportError, AttributeError) as reason:
        function = unavailable(entry, reason)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name=entry.name, cls=StrictCommand)(quiet_unless_verbose(function))
    return typer.main.get_command(app)


class StrictCommand(TyperCommand):
    """An option's value is never empty: it would mostly be a variable of the shell that is not set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        typed, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for option in self.params:
            given = typed.get(option.name) if option.param_type_name == "option" else None
            if any(isinstance(word, str) and not word.strip() for word in listed(given)):
                ctx.fail(f"{option.opts[0]} must not be empty")
        return super().parse_args(ctx, args)


def listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def quiet_unless_verbose(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same command with a flag for the bars, logs and warnings of libraries, which it has without."""

    @wraps(function)
    def command(*, verbose: bool, **options: Any) -> Any:
        if not verbose:
            quiet_libraries()
        return function(**options)

    own = signature(function, eval_str=True)
    parameters = {**own.parameters, VERBOSE.name: VERBOSE}
    command.__signature__ = own.replace(parameters=list(parameters.values()))  # type: ignore[attr-defined]
    command.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    return command


def unavailable(entry: EntryPoint, reason: Exception) -> Callable[[], NoReturn]:
    def command() -> NoReturn:
        raise OSError(f"command {entry.name!r} ({entry.value}) cannot be loaded: {reason}") from reason

    command.__doc__ = f"(unavailable: {reason})"
    return command


class EntryPointGroup(TyperGroup):
    """Loads a subcommand's module only when that command is run or listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(installed_commands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any | None:
        entry = installed_commands().get(cmd_name)
        return command_from(entry) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the first word; one that is none is answered with the nearest."""
        known = installed_commands()
        near = [] if args[0] in known else get_close_matches(args[0], known, 1)
        if near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}: did you mean {near[0]}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            close_bars()
            print("attnmask: stopped", file=sys.stderr)
            raise typer.Exit(STOPPED) from None


app = typer.Typer(
    cls=EntryPointGroup,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"attnmask {version('diffusers-attnmask')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Segmentation masks from diffusion models, datasets made of them, and segmenters trained on those."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(MISTAKE)


def main() -> None:
    """What keeps a command from its work becomes one line and an exit code; see `cli_errors`."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()  # here, since afterwards nobody could answer for a reader that has gone away
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAULT
    except Exception as error:
        if os.environ.get("ATTNMASK_DEBUG") and not isinstance(error, UsageError):
            raise
        close_bars()
        line, code = told(error)
        print(f"attnmask: {line}", file=sys.stderr)
    sys.exit(code)
