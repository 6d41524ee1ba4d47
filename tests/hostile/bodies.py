"""Hostile bodies as wholes: encodings, nesting, sizes, bombs. Knows bytes; not events, and sends nothing."""

from __future__ import annotations

import functools
import gzip
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

_MIB: Final = 1 << 20
_GZIP: Final = (("content-encoding", "gzip"),)
_OBJECT: Final = '{"type":"track","event":"X","userId":"m1"}'


class Body(NamedTuple):
    """A body, made when it is asked for, and how it is sent."""

    content: Callable[[], bytes]
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = False


def _plain(content: bytes) -> Body:
    return Body(lambda: content)


@functools.cache
def bomb(size: int) -> bytes:
    """`size` zero bytes as gzip, a thousandth of that."""
    engine = zlib.compressobj(9, wbits=31)
    block = bytes(_MIB)
    parts = [engine.compress(block) for _ in range(size // _MIB)]
    return b"".join([*parts, engine.compress(bytes(size % _MIB)), engine.flush()])


def _spoiled(content: bytes) -> bytes:
    return content[:-8] + b"\0\0\0\0" + content[-4:]


BODIES: Final[dict[str, Body]] = {
    name: _plain(content)
    for name, content in {
        "nothing": b"",
        "white space": b" \n" * 100,
        "a text": b'"x"',
        "a number": b"17",
        "null": b"null",
        "a list": b"[]",
        "cut short": _OBJECT.encode()[:-1],
        "followed by more": _OBJECT.encode() + b"{}",
        "a trailing comma": b'{"a":1,}',
        "a comment": b'{"a":1} // one',
        "single quotes": b"{'a':1}",
        "no quotes": b"{a:1}",
        "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>',
        "a form": b"batch=%5B%5D&writeKey=x",
        "a raw NUL": b'{"a":"\0"}',
        "a raw line break in a text": b'{"a":"\n"}',
        "a byte order mark": b"\xef\xbb\xbf" + _OBJECT.encode(),
        "UTF-16": _OBJECT.encode("utf-16"),
        "UTF-16, little end, no mark": _OBJECT.encode("utf-16-le"),
        "UTF-16, big end, no mark": _OBJECT.encode("utf-16-be"),
        "UTF-32": _OBJECT.encode("utf-32"),
        "GB18030": '{"a":"回头"}'.encode("gb18030"),
        "invalid UTF-8": b'{"a":"\xff"}',
        "an overlong encoding": b'{"a":"\xc0\x80"}',
        "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
        "beyond Unicode": b'{"a":"\xf4\x90\x80\x80"}',
        "a key twice": b'{"a":1,"a":2,"type":"track"}',
        "an event 10,000 lists deep": b'{"events":[{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}]}",
        "an event 10,000 objects deep": b'{"batch":[' + b'{"x":' * 10_000 + b"1" + b"}" * 10_000 + b"]}",
        "100,000 lists deep": b"[" * 100_000 + b"]" * 100_000,
        "100,000 lists deep, never closed": b"[" * 100_000,
        "100,000 objects deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "a megabyte of opening brackets": b"[" * _MIB,
        "a megabyte of digits": b"1" * _MIB,
        "10,000 keys": b"{" + b",".join(b'"k%d":1' % number for number in range(10_000)) + b"}",
        "a megabyte of small objects": b"[" + b",".join([b'{"a":1}'] * 130_000) + b"]",
        "one byte too many": b" " * (_MIB + 1),
        "50 MB": b" " * 50_000_000,
    }.items()
} | {
    "2 MB without a length": Body(lambda: b" " * 2_000_000, chunked=True),
    "a brotli of nothing": Body(lambda: b"\x06", (("content-encoding", "br"),)),
    "gzip said, plain sent": Body(_OBJECT.encode, _GZIP),
    "gzip of no gzip": Body(lambda: b"\x1f\x8b" + b"x" * 50),
    "gzip cut short": Body(lambda: gzip.compress(_OBJECT.encode(), mtime=0)[:-9], _GZIP),
    "gzip with a wrong sum": Body(lambda: _spoiled(gzip.compress(_OBJECT.encode(), mtime=0)), _GZIP),
    "gzip followed by more": Body(lambda: gzip.compress(_OBJECT.encode(), mtime=0) + b"x", _GZIP),
    "two gzips": Body(lambda: gzip.compress(b"{", mtime=0) + gzip.compress(b"}", mtime=0), _GZIP),
    "a gzip in a gzip": Body(lambda: gzip.compress(gzip.compress(_OBJECT.encode(), mtime=0), mtime=0), _GZIP),
    "a zlib stream": Body(lambda: zlib.compress(_OBJECT.encode()), (("content-encoding", "deflate"),)),
}
BOMBS: Final[dict[str, Body]] = {
    "a gzip of 2 MB": Body(lambda: bomb(2_000_000), _GZIP),
    "a gzip of 1 GB": Body(lambda: bomb(10**9), _GZIP),
    "a gzip of 1 GB, not said to be one": Body(lambda: bomb(10**9)),
    "a gzip of 1 GB in a gzip": Body(lambda: gzip.compress(bomb(10**9), mtime=0), _GZIP),
}
ENVELOPES: Final[dict[str, dict[str, bytes]]] = {
    "/api/v1/events": {
        "no events": b'{"events":[]}',
        "events that are an object": b'{"events":{}}',
        "events that are null": b'{"events":null}',
        "501 events": b'{"events":[' + b",".join([b"{}"] * 501) + b"]}",
        "1,001 events": b'{"events":[' + b",".join([b"{}"] * 1_001) + b"]}",
        "events twice": b'{"events":[],"events":[{}]}',
        "something beside": b'{"events":[{}],"x":1}',
        "an unknown type": b'{"type":"x"}',
    },
    "/v1/batch": {
        "no batch": b"{}",
        "a batch that is an object": b'{"batch":{}}',
        "a batch that is null": b'{"batch":null}',
        "1,001 messages": b'{"batch":[' + b",".join([b"{}"] * 1_001) + b"]}",
        "a batch twice": b'{"batch":[],"batch":[{}]}',
        "NaN beside": b'{"batch":[],"sentAt":NaN}',
    },
}
