"""The jars of the Kafka broker: knows coordinates and checksums, and that nothing unverified may reach a class path."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from jgo.maven import Dependency, MavenContext

LOCK = Path(__file__).with_name("jars.sha256")
COORDINATES = (
    "org.apache.kafka:kafka_2.13:4.2.0",
    # Named on its own: resolution alone would settle for an older client, with which the broker does not start.
    "org.apache.kafka:kafka-clients:4.2.0",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.1",
)
ATTEMPTS = 3
PARALLEL = 8
TIMEOUT_SECONDS = 30


class JarError(RuntimeError):
    """A jar could not be fetched, or is not the one that was locked."""


Fetch = Callable[[Path, str], Path]
"""(empty folder, coordinate) to the fetched file in it."""


def fetch(directory: Path, coordinate: str) -> Path:
    """The jar of a coordinate, from the repository that jgo is configured for."""
    group, artifact, version = coordinate.split(":")
    context = MavenContext(repo_cache=directory, timeout=TIMEOUT_SECONDS)
    return context.project(group, artifact).at_version(version).artifact().resolve()


def jars(cache: Path, *, lock: Path = LOCK, fetch: Fetch = fetch) -> list[Path]:
    """Paths of all locked jars, fetched into `cache/jars` where missing; each was checked against the lock just now."""
    target = cache / "jars"
    target.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(lambda line: _jar(target, line, fetch), locked(lock)))


def locked(lock: Path = LOCK) -> list[tuple[str, str]]:
    """(SHA-256, coordinate) of each jar, as committed."""
    lines = [
        line.split() for line in lock.read_text(encoding="ascii").splitlines() if line and not line.startswith("#")
    ]
    return [(digest, coordinate) for digest, coordinate in lines]


def _jar(target: Path, line: tuple[str, str], fetch: Fetch) -> Path:
    digest, coordinate = line
    _, artifact, version = coordinate.split(":")
    path = target / f"{artifact}-{version}.jar"
    if path.exists() and sha256(path) == digest:
        return path
    reason = "never tried"
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(dir=target, prefix=".fetch-") as fresh:
            try:
                fetched = fetch(Path(fresh), coordinate)
            except (requests.RequestException, RuntimeError, OSError) as error:
                reason = str(error)
                continue
            found = sha256(fetched)
            if found == digest:
                fetched.replace(path)
                return path
            reason = f"its SHA-256 is {found}, the lock says {digest}"
    raise JarError(f"{coordinate} could not be fetched: {reason}")


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve() -> str:
    """The text of a new lock: COORDINATES and all they need, resolved and fetched afresh; for a change of version."""
    with tempfile.TemporaryDirectory() as fresh:
        context = MavenContext(repo_cache=Path(fresh), timeout=TIMEOUT_SECONDS)
        wanted = []
        for coordinate in COORDINATES:
            group, artifact, version = coordinate.split(":")
            wanted.append(Dependency(context.project(group, artifact).at_version(version).artifact()))
        direct, needed = context.resolver.resolve(wanted)
        lines = {
            f"{dep.groupId}:{dep.artifactId}:{dep.version}": sha256(dep.artifact.resolve())
            for dep in (*direct, *needed)
        }
    return "".join(f"{digest}  {coordinate}\n" for coordinate, digest in sorted(lines.items()))


if __name__ == "__main__":
    LOCK.write_text(resolve(), encoding="ascii")
    sys.stdout.write(f"{len(locked())} jars locked\n")
