"""Folders in storages elsewhere, `s3://bucket/set` or `gs://`, `hf://`, `memory://`, by way of fsspec.

All that is asked of a storage is asked here, so that what it refuses, lacks or does not answer is one line
with its address. Credentials are those that the storage's own library finds.
"""

from __future__ import annotations

import errno
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from diffusers_attnmask.ground.hub_errors import first_line

ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
WEB = ("http", "https")  # whose folders cannot be listed
PATIENCE = 30.0  # seconds for the first answer of a storage; libraries would ask again for minutes
# What tells two contents under one name apart, by whichever storage; some have nothing but the size.
STAMPS = ("ETag", "etag", "md5Hash", "blob_id", "mtime", "created", "last_modified")
OF_THIS_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE)

Answer = TypeVar("Answer")


class StorageFault(OSError):
    """What a storage refuses, lacks or does not answer, in one line."""


def is_remote(word: str | Path) -> bool:
    """Whether a word is the address of a folder elsewhere.

    >>> is_remote("s3://bucket/set"), is_remote("VOC:data/VOC"), is_remote("user/name")
    (True, False, False)
    """
    return ADDRESS.match(str(word)) is not None


@dataclass(frozen=True)
class RemoteFolder:
    """A folder by its address. Names are those of files, relative to it."""

    address: str

    def __post_init__(self) -> None:
        protocol, _, path = self.address.partition("://")
        if not path.strip("/"):
            raise ValueError(f"{self.address} names no folder: write it as {protocol}://bucket/folder")
        if protocol in WEB or "::" in self.address:
            raise ValueError(f"{self.address} is no folder that can be listed: use s3://, gs:// or hf://")

    def stamps(self) -> dict[str, str]:
        """What is there: a stamp for each file, another one for other contents."""
        with self._asked() as system:
            system.invalidate_cache()
            found = system.find(self._root, detail=True) if self._is_there(system) else {}
        return {self._name(path): stamp(facts) for path, facts in sorted(found.items())}

    def stamp(self, name: str) -> str:
        with self._asked() as system:
            return stamp(system.info(self._path(name)))

    def text(self, name: str) -> str:
        with self._asked() as system:
            return system.cat_file(self._path(name)).decode(errors="replace")

    def get(self, name: str, file: Path) -> None:
        """Copy a file to this machine."""
        with self._asked() as system:
            system.get_file(self._path(name), str(file))

    def put(self, file: Path, name: str) -> None:
        """Copy a file of this machine there; storages of objects show it once it is whole."""
        with self._asked() as system:
            self._make_parent(system, name)
            system.put_file(str(file), self._path(name))

    def write(self, name: str, text: str) -> None:
        with self._asked() as system:
            self._make_parent(system, name)
            system.pipe_file(self._path(name), text.encode())

    def remove(self, name: str) -> None:
        with self._asked() as system:
            system.rm_file(self._path(name))

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The storage, and the path of the folder in it."""
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations

        protocol = self.address.partition("://")[0]
        try:
            system, path = answered(lambda: url_to_fs(self.address), self.address)
        except ImportError as lack:
            package = known_implementations[protocol]["class"].partition(".")[0]
            needed = f"pip install {package}" if package != "fsspec" else first_line(lack)
            raise StorageFault(f"{self.address} needs a library that is not installed: {needed}") from lack
        except ValueError as mistake:
            raise ValueError(f"{self.address}: there is no storage {protocol}://") from mistake

        # some libraries log the traceback of what they raise
        logging.getLogger(type(system).__module__.partition(".")[0]).setLevel(logging.CRITICAL)
        return system, path

    @property
    def _root(self) -> str:
        return self._opened[1].rstrip("/")

    def _is_there(self, system: Any) -> bool:
        try:
            answered(lambda: system.info(self._root), self.address)
        except FileNotFoundError:
            return False
        return True

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _name(self, path: str) -> str:
        """The name of a file that the storage lists; one that leads out of the folder is refused."""
        name = path.removeprefix(self._root).lstrip("/")
        if not path.startswith(self._root) or "\\" in name or {"", ".", ".."} & set(name.split("/")):
            raise ValueError(f"the file name {path!r} leads out of {self.address}: rename it there")
        return name

    def _make_parent(self, system: Any, name: str) -> None:
        """Where folders are real. A storage of objects has none, and its library would make a bucket."""
        from fsspec.asyn import AsyncFileSystem

        if not isinstance(system, AsyncFileSystem):
            system.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        """The storage, whose library has errors of its own, few of which name what was asked."""
        system = self._opened[0]
        try:
            yield system
        except StorageFault:
            raise
        except PermissionError as refused:
            raise StorageFault(
                f"{self.address} may not be read or written ({first_line(refused)}): look at the "
                "credentials, and at the rights that they have there"
            ) from refused
        except FileNotFoundError as missing:
            raise StorageFault(f"{self.address} is not there ({first_line(missing)})") from missing
        except Exception as reason:
            if isinstance(reason, OSError) and reason.errno in OF_THIS_MACHINE:
                raise
            told = f"{type(reason).__name__}: {first_line(reason)}"
            raise StorageFault(f"{self.address} is not within reach ({told})") from reason


def answered(question: Callable[[], Answer], address: str) -> Answer:
    """The answer of a storage, or an error where it takes longer than `PATIENCE`."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            answers.append(question())
        except BaseException as error:  # raised where it was asked
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if errors:
        raise errors[0]
    if not answers:
        raise StorageFault(
            f"{address} did not answer within {PATIENCE:.0f} s: look at the network and the endpoint"
        )
    return answers[0]


def stamp(facts: Mapping[str, Any]) -> str:
    """A file's size, and what else its storage tells of its contents."""
    told = next((str(facts[key]) for key in STAMPS if facts.get(key)), "")
    return f"{facts.get('size')} {told}".strip()
