"""The systems that may call our webhooks, from one private file. Knows secrets and options; not HTTP or payloads."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, final

import msgspec
from msgspec import Meta

from shared.log import Log
from shared.private_files import PrivateFileError, create_private, locked, read_private, replace_private

RELOAD_SECONDS: Final = 1.0
GENERIC_PREFIX: Final = "whsec_"
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
_LEAST_BYTES, _MOST_BYTES = 24, 64

Secret = Annotated[str, Meta(min_length=16, max_length=256)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]


class HookSourcesError(Exception):
    """The file of webhook sources cannot be used, or the change asked for makes no sense."""


class HookSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="provider"):
    """One configured system; `name` is the last part of its address and the source of its events."""

    name: Name
    secrets: Annotated[list[Secret], Meta(min_length=1, max_length=2)]
    """Newest first. Either is accepted, so that a secret can be changed without a gap."""
    issuer: Annotated[str, Meta(max_length=64)] = ""
    """Whose customer and order numbers it speaks of; default: its own name."""
    customer_ids: Literal["account", "member"] = "account"
    """`member`: its customer numbers are the shop's member numbers, used elsewhere, too."""
    order_ids: bool = True
    """Whether a refund or shipment that names no buyer may find him by its order."""
    secret_is_ours: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, ****)"


class Youzan(HookSource, frozen=True, tag="youzan"):
    """有赞: secrets are the client secrets of the app."""

    client_id: Name
    kdt_ids: list[int] = []
    """Shops whose messages count; empty: all that the app is authorised for."""
    currency: str = "CNY"
    receiver_is_buyer: bool = False
    """Whether the receiver's phone names the customer where the buyer has none."""
    event_sign: bool = False
    """Whether the header Event-Sign, which covers the whole body, is required."""


class Generic(HookSource, frozen=True, tag="generic"):
    """An OMS, POS or ERP that pushes our typed events, signed by Standard Webhooks: 天猫, 京东, 门店."""

    secret_is_ours = True


class Shopify(HookSource, frozen=True, tag="shopify"):
    """Shopify: secrets are the app's client secret, or what the admin page shows for its webhooks."""

    test_orders: bool = False
    """Whether orders marked as tests count."""


class Woocommerce(HookSource, frozen=True, tag="woocommerce"):
    """WooCommerce: the secret of the webhook."""


AnySource = Youzan | Generic | Shopify | Woocommerce


class _SourcesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: list[AnySource] = []


@final
class HookSources:
    """The sources of one file, at most a second old; without a file there are none."""

    def __init__(self, path: Path | None, monotonic: Callable[[], float]) -> None:
        self._path, self._monotonic = path, monotonic
        self._stamp, self._looked = _stamp(path), monotonic()
        self._sources = {} if path is None else _by_name(read_sources(path))
        self._log = Log("ingest")

    def find(self, name: str) -> AnySource | None:
        """The source of this name. A file that became unreadable leaves what was read last in force."""
        self._refresh()
        return self._sources.get(name)

    def _refresh(self) -> None:
        now = self._monotonic()
        if self._path is None or now - self._looked < RELOAD_SECONDS:
            return
        self._looked = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            self._sources = _by_name(read_sources(self._path))
        except HookSourcesError as error:
            self._log.warning("hook-sources-unreadable", error=error)
            return
        self._stamp = stamp
        self._log.info("hook-sources-read", sources=len(self._sources))


def read_sources(path: Path) -> list[AnySource]:
    """What the file says; HookSourcesError names the field, never a secret."""
    try:
        sources = msgspec.json.decode(read_private(path), type=_SourcesFile).sources
    except PrivateFileError as error:
        raise HookSourcesError(f"webhook sources: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HookSourcesError(f"webhook sources: {path.name}: {error}") from None
    check(sources, path.name)
    return sources


def check(sources: Iterable[AnySource], file: str) -> None:
    """HookSourcesError for names that are not unique or not an address's, and generic secrets that are none."""
    seen: set[str] = set()
    for index, source in enumerate(sources):
        place = f"webhook sources: {file}: sources[{index}]"
        if _NAME.fullmatch(source.name) is None or source.name in seen:
            raise HookSourcesError(f"{place}.name must be unique and of lower-case letters, digits and hyphens")
        if source.issuer and _NAME.fullmatch(source.issuer) is None:
            raise HookSourcesError(f"{place}.issuer must be of lower-case letters, digits and hyphens")
        seen.add(source.name)
        if isinstance(source, Generic):
            for secret in source.secrets:
                signing_key(secret, f"{place}.secrets")


def signing_key(secret: str, place: str = "secret") -> bytes:
    """The key of a Standard Webhooks secret, `whsec_` and base64; HookSourcesError unless it has 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(GENERIC_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise HookSourcesError(f"{place}: must be {GENERIC_PREFIX} and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64")
    return key


def change_sources(path: Path, change: Callable[[list[AnySource]], list[AnySource]]) -> None:
    """Replace the file by what `change` makes of its sources; it is created if there is none."""
    try:
        with locked(path):
            missing = not path.exists()
            sources = change([] if missing else read_sources(path))
            check(sources, path.name)
            content = msgspec.json.format(msgspec.json.encode(_SourcesFile(sources))) + b"\n"
            (create_private if missing else replace_private)(path, content)
    except PrivateFileError as error:
        raise HookSourcesError(f"webhook sources: {error}") from None
    except OSError as error:
        raise HookSourcesError(f"webhook sources: {path.name}: cannot be written: {error.strerror}") from None


def source_of(values: dict[str, Any]) -> AnySource:
    """A source from its fields; HookSourcesError names the one that is wrong."""
    try:
        return msgspec.convert({"sources": [values]}, _SourcesFile).sources[0]
    except msgspec.ValidationError as error:
        raise HookSourcesError(f"webhook source: {error}") from None


def _by_name(sources: Iterable[AnySource]) -> dict[str, AnySource]:
    return {source.name: source for source in sources}


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        status = None if path is None else path.stat()
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)
