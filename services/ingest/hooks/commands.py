"""`python -m services.ingest hooks …`: sources added, their secrets changed, removed. Knows the file; not webhooks."""

from __future__ import annotations

import argparse
import base64
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from services.ingest.hooks.sources import (
    GENERIC_PREFIX,
    AnySource,
    Generic,
    HookSourcesError,
    change_sources,
    read_sources,
    source_of,
)

_KEY_BYTES: Final = 32
PROVIDERS: Final = ("youzan", "generic", "shopify", "woocommerce")


def add_commands(parser: argparse.ArgumentParser, file: Callable[[], Path]) -> None:
    """The actions below `hooks`; `file` says where the sources stand."""
    actions = parser.add_subparsers(required=True, metavar="action")
    add = actions.add_parser("add", help="a new source; its secret is read from standard input")
    add.add_argument("name", help="last part of its address, /hooks/NAME")
    add.add_argument("provider", choices=PROVIDERS)
    add.add_argument("--set", action="append", default=[], type=_option, metavar="OPTION=VALUE", dest="options")
    add.set_defaults(run=lambda given: _add(file(), given))
    rotate = actions.add_parser("rotate", help="a new secret beside the old one; again: the older of two goes")
    rotate.add_argument("name")
    rotate.set_defaults(run=lambda given: _rotate(file(), given.name))
    remove = actions.add_parser("remove", help="a source ends; its calls get 404 within a second")
    remove.add_argument("name")
    remove.set_defaults(run=lambda given: _remove(file(), given.name))
    show = actions.add_parser("list", help="names, providers and options; no secrets")
    show.set_defaults(run=lambda _: _list(file()))


def _add(file: Path, given: argparse.Namespace) -> int:
    fresh = _fresh(given.provider)
    source = source_of({"name": given.name, "provider": given.provider, "secrets": [fresh]} | dict(given.options))
    change_sources(file, lambda sources: [*sources, source])
    return _tell(source, fresh)


def _rotate(file: Path, name: str) -> int:
    source = _named(read_sources(file), name)
    fresh = _fresh("generic" if isinstance(source, Generic) else "")

    def rotated(sources: list[AnySource]) -> list[AnySource]:
        now = _named(sources, name)
        new = msgspec.structs.replace(now, secrets=[fresh, now.secrets[0]])
        return [new if each.name == name else each for each in sources]

    change_sources(file, rotated)
    return _tell(source, fresh)


def _remove(file: Path, name: str) -> int:
    def without(sources: list[AnySource]) -> list[AnySource]:
        gone = _named(sources, name)
        return [each for each in sources if each.name != gone.name]

    change_sources(file, without)
    return 0


def _list(file: Path) -> int:
    for source in read_sources(file):
        shown = {key: value for key, value in msgspec.to_builtins(source).items() if key != "secrets"}
        sys.stdout.write(msgspec.json.encode(shown).decode() + "\n")
    return 0


def _fresh(provider: str) -> str:
    """A secret: made here where the sender takes ours, else as the provider shows it, from standard input."""
    if provider == "generic":
        return GENERIC_PREFIX + base64.b64encode(os.urandom(_KEY_BYTES)).decode()
    if sys.stdin.isatty():
        sys.stderr.write("the secret that the provider shows 粘贴平台给出的密钥: ")
    return sys.stdin.readline().strip()


def _tell(source: AnySource, fresh: str) -> int:
    if isinstance(source, Generic):
        sys.stdout.write(fresh + "\n")
        sys.stderr.write("give it to the sender over a safe way; it stands in the private file 请安全地交给对接方\n")
    return 0


def _named(sources: list[AnySource], name: str) -> AnySource:
    found = next((source for source in sources if source.name == name), None)
    if found is None:
        raise HookSourcesError("name: no such source in the file")
    return found


def _option(text: str) -> tuple[str, Any]:
    """`kdt_ids=[123]`: the value is JSON, or else a text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("must look like option=value")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
