"""Files that hold secrets: readable by their owner alone, replaced whole. Knows files and modes; not what they hold."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PrivateFileError(Exception):
    """A secret file is missing, unreadable, or open to other users of the machine."""


def read_private(path: Path) -> bytes:
    """The whole file; PrivateFileError unless it is a regular file that group and others cannot touch."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise PrivateFileError(f"{path.name}: must be a regular file")
            if mode & 0o077:
                raise PrivateFileError(
                    f"{path.name}: mode is {mode & 0o777:04o}, must be 0600: other users could read it"
                )
            return file.read()
    except OSError as error:
        raise PrivateFileError(f"{path.name}: cannot be read: {error.strerror}") from None


def create_private(path: Path, content: bytes) -> None:
    """Write a new file with mode 0600; PrivateFileError if the name is taken (an existing secret is never lost)."""
    with _written(path, content) as draft:
        try:
            os.link(draft, path)
        except FileExistsError:
            raise PrivateFileError(f"{path.name}: exists already and is not overwritten") from None


def replace_private(path: Path, content: bytes) -> None:
    """Put new content in place of the old in one step, mode 0600: a reader sees either the old or the new whole."""
    with _written(path, content) as draft:
        draft.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the folder of `path` against other writers: read, change and replace as one."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextmanager
def _written(path: Path, content: bytes) -> Iterator[Path]:
    """A draft beside `path`, whole and on disk, gone afterwards: what takes the name is never half a file."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp opens with 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
