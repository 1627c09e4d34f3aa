"""What `diffusers_attnmask` offers by name, imported only when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import diffusers_attnmask


@pytest.mark.parametrize("name", diffusers_attnmask.__all__)
def test_every_public_name_is_there(name):
    assert getattr(diffusers_attnmask, name) is not None
    assert name in dir(diffusers_attnmask)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        diffusers_attnmask.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    "module", ["ground.atomic_files", "cli", "bundled", "ground.palette", "ground.drawing"]
)
def test_the_light_modules_import_no_torch(module):
    program = f"import sys, diffusers_attnmask.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
