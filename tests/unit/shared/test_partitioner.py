"""The partitioner equals Kafka's own."""

from __future__ import annotations

import pytest
from aiokafka import partitioner as theirs
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.partitioner import murmur2, partition_of


@given(st.binary(max_size=64))
def test_the_hash_equals_that_of_aiokafka(key: bytes) -> None:
    assert murmur2(key) == theirs.murmur2(key)


@pytest.mark.parametrize(
    ("key", "hashed"),
    # Known answers of Kafka's Java client (UtilsTest.testMurmur2), unsigned here.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_the_hash_equals_that_of_the_java_client(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed % 2**32


@given(st.text(max_size=40))
def test_a_key_has_one_partition_of_those_there_are(key: str) -> None:
    assert 0 <= partition_of(key.encode()) < 12
    assert partition_of(key.encode(), 1) == 0
