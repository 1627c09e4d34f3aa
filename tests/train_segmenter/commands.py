"""The segmenter's commands as one application, for tests that type them."""

import typer
from typer.testing import CliRunner

from train_segmenter import cli


def attnmask(*words):
    app = typer.Typer()
    for name, command in (("train", cli.train), ("eval", cli.evaluate), ("segment", cli.segment)):
        app.command(name)(command)
    return CliRunner().invoke(app, [str(word) for word in words])


def succeed(*words):
    result = attnmask(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result
