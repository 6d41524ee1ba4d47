"""Bytes from outside to Python values, strictly. Knows JSON and its traps; not events, shops or HTTP.

Two readers: the quick one is C code and accepts only what is beyond doubt; whatever it doubts goes to the exact one,
which decides and names the place. A property test holds the two to the same answer.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from decimal import Decimal
from typing import Final, final

import msgspec

from services.ingest.decimals import MAX_DIGITS, fraction

_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")
_WHITE_SPACE: Final = b" \t\n\r"
_RISKY_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_RISKY_CHARACTER: Final = re.compile("[\0\ud800-\udfff]")
_NAME_LIKE: Final = re.compile(r"[^\W\d][\w $-]{0,63}")
_LONG_DIGITS: Final = re.compile(r"\d{6}")

_LARGEST: Final = 10**MAX_DIGITS - 1


class JsonRefusedError(Exception):
    """A body that is not taken: `path` says where (such as `$.batch[3].properties.total`), `reason` why, never what."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class BodyTooLargeError(JsonRefusedError):
    """The body, or what it inflates to, is larger than the cap."""


class Limits(msgspec.Struct, frozen=True):
    """The largest of everything that is still read."""

    body: int = 1 << 20  # bytes
    depth: int = 32  # containers inside one another
    string: int = 32_000  # bytes of UTF-8
    keys: int = 1_000  # per object
    items: int = 1_000  # per array


class Batch(msgspec.Struct, frozen=True):
    """An envelope without its list, and the list's items: each a value, or the refusal of that item alone."""

    envelope: dict[str, object]
    items: list[object]


STANDARD: Final = Limits()


def parse(raw: bytes, limits: Limits = STANDARD) -> object:
    """The value of a JSON body; numbers with a fraction or exponent are Decimals. Raises JsonRefusedError only."""
    value, walk = _read(raw, limits)
    if walk is not None:
        walk.check(value, "$")
    return value


def parse_batch(raw: bytes, at: str, limits: Limits = STANDARD) -> Batch:
    """The items of the list under the key `at`, checked one by one: a bad item does not spoil its neighbours.

    JsonRefusedError is raised for what concerns the whole body: no JSON, a bad envelope, no such list, too many items.
    """
    body, walk = _read(raw, limits)
    items = body.pop(at, None) if isinstance(body, dict) else None
    if walk is not None:
        walk.check(body, "$")
    if not isinstance(body, dict) or not isinstance(items, list):
        raise JsonRefusedError(f"$.{at}", "must be a list")
    if len(items) > limits.items:
        raise JsonRefusedError(f"$.{at}", f"more than {limits.items} items")
    if walk is not None:
        items = [_checked(item, walk, f"$.{at}[{index}]") for index, item in enumerate(items)]
    return Batch(body, items)


def inflate(raw: bytes, limit: int = STANDARD.body) -> bytes:
    """What one gzip member holds, never reading beyond `limit` bytes of it; JsonRefusedError otherwise."""
    engine = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = engine.decompress(raw, limit + 1)
    except zlib.error:
        raise JsonRefusedError("$", "body is not valid gzip") from None
    if len(plain) > limit:
        raise BodyTooLargeError("$", f"body inflates to more than {limit} bytes")
    if not engine.eof:
        raise JsonRefusedError("$", "gzip body is cut short")
    if engine.unused_data:
        raise JsonRefusedError("$", "gzip body is followed by other bytes")
    return plain


class _FaultError(Exception):
    """A reason, and the keys and indices passed on the way out, innermost first."""

    def __init__(self, reason: str, *steps: str | int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str | int] = list(steps)


class _Refused(msgspec.Struct, frozen=True):
    """Stands in the tree where a value was unreadable, so that the walk can tell the place."""

    reason: str
    key: str | None = None


@final
class _Walk:
    """Looks at every value once. `risky`: the body may hold NUL characters or lone surrogates."""

    __slots__ = ("_limits", "_risky", "_short")

    def __init__(self, limits: Limits, *, risky: bool) -> None:
        self._limits = limits
        self._risky = risky
        self._short = 0 if risky else limits.string // 4  # so many characters fit the limit whatever they are

    def check(self, value: object, path: str, *, depth: int = 0) -> None:
        """JsonRefusedError at the first fault; `path` and `depth` are those of `value` itself."""
        try:
            self.count_keys(value, depth)
        except _FaultError as fault:
            raise JsonRefusedError(path + _written(fault.steps), fault.reason) from None

    def count_keys(self, value: object, depth: int = 0) -> int:
        """The number of keys in all objects of `value`; _FaultError at the first fault."""
        if type(value) is dict:
            return self._object(value, depth + 1)
        if type(value) is list:
            return self._array(value, depth + 1)
        if type(value) is str:
            self._string(value)
        elif type(value) is int:
            if not -_LARGEST <= value <= _LARGEST:
                raise _FaultError(f"integer with more than {MAX_DIGITS} digits")
        elif isinstance(value, _Refused):
            raise _FaultError(value.reason, *(() if value.key is None else (value.key,)))
        return 0

    def _object(self, members: dict[str, object], depth: int) -> int:
        if depth > self._limits.depth:
            raise _FaultError(f"nested deeper than {self._limits.depth}")
        keys = len(members)
        if keys > self._limits.keys:
            raise _FaultError(f"more than {self._limits.keys} keys")
        short = self._short
        for key, value in members.items():  # every value that comes in passes here: no call without a need
            try:
                if len(key) > short:
                    self._string(key)
                if type(value) is str:
                    if len(value) > short:
                        self._string(value)
                elif type(value) is dict:
                    keys += self._object(value, depth + 1)
                elif value is not None and type(value) is not Decimal:
                    keys += self.count_keys(value, depth)
            except _FaultError as fault:
                fault.steps.append(key)
                raise
        return keys

    def _array(self, items: list[object], depth: int) -> int:
        if depth > self._limits.depth:
            raise _FaultError(f"nested deeper than {self._limits.depth}")
        if len(items) > self._limits.items:
            raise _FaultError(f"more than {self._limits.items} items")
        keys = 0
        for index, value in enumerate(items):
            try:
                keys += self.count_keys(value, depth)
            except _FaultError as fault:
                fault.steps.append(index)
                raise
        return keys

    def _string(self, text: str) -> None:
        if self._risky and (found := _RISKY_CHARACTER.search(text)) is not None:
            raise _FaultError("NUL character" if found[0] == "\0" else "lone surrogate")
        if len(text) * 4 > self._limits.string and len(text.encode()) > self._limits.string:
            raise _FaultError(f"text longer than {self._limits.string} bytes")


def _checked(item: object, walk: _Walk, path: str) -> object:
    try:
        walk.check(item, path, depth=2)
    except JsonRefusedError as refusal:
        return refusal
    return item


def _read(raw: bytes, limits: Limits) -> tuple[object, _Walk | None]:
    """The value, and the walk that must still check it: None when the quick reader had no doubt."""
    text = _decoded(raw, limits)
    walk = _Walk(limits, risky=_RISKY_ESCAPE.search(raw) is not None)
    try:
        value: object = _QUICK.decode(raw)
        # Without white space each key written is followed by `":`: as many of these as keys kept, and none came twice.
        if walk.count_keys(value) == raw.translate(None, _WHITE_SPACE).count(b'":'):
            return value, None
    except (msgspec.DecodeError, ValueError, RecursionError, _FaultError):
        pass
    return _exact(text), walk


def _decoded(raw: bytes, limits: Limits) -> str:
    if len(raw) > limits.body:
        raise BodyTooLargeError("$", f"body is larger than {limits.body} bytes")
    if raw.startswith(_BYTE_ORDER_MARKS) or b"\0" in raw[:4]:
        raise JsonRefusedError("$", "body must be UTF-8 without byte order mark")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise JsonRefusedError("$", f"body is not UTF-8 at byte {error.start}") from None


def _exact(text: str) -> object:
    try:
        value: object = _EXACT.decode(text)
    except json.JSONDecodeError as error:
        raise JsonRefusedError("$", f"not JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise JsonRefusedError("$", "nested far too deep") from None
    return value


def _fraction_or_refused(text: str) -> Decimal | _Refused:
    try:
        return fraction(text)
    except ValueError as error:
        return _Refused(str(error))


def _integer_or_refused(text: str) -> int | _Refused:
    return int(text) if len(text) <= MAX_DIGITS + 1 else _Refused(f"integer with more than {MAX_DIGITS} digits")


def _constant_refused(name: str) -> _Refused:
    return _Refused(f"{name} is not a JSON number")


def _object_or_refused(pairs: list[tuple[str, object]]) -> dict[str, object] | _Refused:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    times = Counter(key for key, _ in pairs)
    return _Refused("key written twice", max(times, key=times.__getitem__))


def _written(steps: list[str | int]) -> str:
    """The path from outermost to innermost; a key that does not look like a name may be personal data: `*`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" for step in reversed(steps))


def _shown(key: str) -> str:
    return key if _NAME_LIKE.fullmatch(key) and not _LONG_DIGITS.search(key) else "*"


_QUICK: Final = msgspec.json.Decoder(float_hook=fraction)
_EXACT: Final = json.JSONDecoder(
    object_pairs_hook=_object_or_refused,
    parse_float=_fraction_or_refused,
    parse_int=_integer_or_refused,
    parse_constant=_constant_refused,
)
