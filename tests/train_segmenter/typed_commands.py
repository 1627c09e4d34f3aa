"""The segmenter's commands as one application, for tests that type them."""

import typer
from typer.testing import CliRunner

from train_segmenter.commands import evaluate, segment, train


def attnmask(*words):
    app = typer.Typer()
    for name, command in (("train", train.train), ("eval", evaluate.evaluate), ("segment", segment.segment)):
        app.command(name)(command)
    return CliRunner().invoke(app, [str(word) for word in words])


def succeed(*words):
    result = attnmask(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result
