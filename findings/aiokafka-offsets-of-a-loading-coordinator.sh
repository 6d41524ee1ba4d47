#!/bin/sh
# aiokafka 0.14.0: a group whose coordinator is still loading looks like a group that never committed.
#
# Guess: `list_consumer_group_offsets` raises an error of the answer; its docstring says "As soon as any error is
# encountered, it is immediately raised". Since version 2 of the protocol OffsetFetch carries an error for the whole
# answer, with no topics in it: 14 while a coordinator loads, 16 where it has moved, as after a restart of a broker.
# Seen: the method looks at the errors of partitions only and returns {}. A reader of lag then shows everything that
# the log holds, and recovery begins at the start. shared/kafka/commits.py reads the answer's own error and asks again.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'aiokafka==0.14.0'
"$folder/venv/bin/python" - <<'PY'
import asyncio
from importlib.metadata import version
from io import BytesIO

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.commit import OffsetFetchResponse_v3

def answer(code, topics):
    """An answer of the protocol, encoded and decoded by aiokafka's own classes."""
    raw = OffsetFetchResponse_v3(throttle_time_ms=0, topics=topics, error_code=code).encode()
    return OffsetFetchResponse_v3.decode(BytesIO(raw))

async def asked(told):
    client = AIOKafkaAdminClient.__new__(AIOKafkaAdminClient)  # the method needs a node to ask, here a ready answer
    async def send(request, node):
        return told
    client._send_request = send
    return await client.list_consumer_group_offsets("g", group_coordinator_id=0)

loading = asyncio.run(asked(answer(14, [])))
moved = asyncio.run(asked(answer(16, [])))
never = asyncio.run(asked(answer(0, [])))
print(f"aiokafka {version('aiokafka')}")
print(f"{for_code(14).__name__}: {loading}   {for_code(16).__name__}: {moved}   no commit: {never}")
assert loading == moved == never == {}, "the error of the answer is raised now"
PY
