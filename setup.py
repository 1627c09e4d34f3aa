"""All settings stand in setup.cfg; here the README gets the absolute links that it needs on PyPI."""

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def with_absolute_links(text: str, address: str) -> str:
    """Markdown whose relative links lead into the repository, and whose pictures are the files themselves."""
    raw = address.replace("https://github.com/", "https://raw.githubusercontent.com/")
    text = re.sub(r"(!\[[^\]]*\]\()(?!https?:|#)([^)]+\))", rf"\1{raw}/main/\2", text)
    return re.sub(r"(?<!!)(\[[^\]]*\]\()(?!https?:|#)([^)]+\))", rf"\1{address}/blob/main/\2", text)


if __name__ == "__main__":
    settings = ConfigParser()
    settings.read(HERE / "setup.cfg")
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    setup(
        long_description=with_absolute_links(readme, settings["metadata"]["url"]),
        long_description_content_type="text/markdown",
    )
