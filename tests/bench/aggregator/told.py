"""What the bench tells a host of the job, as environment variables; read by the host's process alone."""

from __future__ import annotations

import os

import msgspec


class Told(msgspec.Struct, frozen=True):
    """Names are new for every run, so that no run finds what another left."""

    bootstrap: str
    job: str
    """Consumer group; the changelog is named after it."""
    input: str
    answers: str
    """Topic of the output records."""
    instance: str
    """Static membership id: the bench has confirmed the old process dead before it starts the new one."""
    directory: str
    """Where the host may keep files."""
    partitions: int


def told() -> Told:
    """From BENCH_*; KeyError names what is missing."""
    fields = {name: os.environ[f"BENCH_{name.upper()}"] for name in Told.__struct_fields__}
    return msgspec.convert(fields, Told, strict=False)


def environment(one: Told) -> dict[str, str]:
    """What `told` reads."""
    return {f"BENCH_{name.upper()}": str(getattr(one, name)) for name in Told.__struct_fields__}
