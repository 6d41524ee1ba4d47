"""What intake is measured against: a FastAPI route that parses JSON and produces each event with acks=all; nothing else.

usage: python -m tests.bench.bare BOOTSTRAP PORT TOPIC
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request

from deploy.stack.ports import HOST
from services.ingest.publisher import LINGER_MS
from shared.kafka import clients


def app(bootstrap: str, topic: str) -> FastAPI:
    """No key, no check, no identity, no seal; the server and the producer have intake's own settings."""

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[None]:
        running.state.producer = clients.producer(bootstrap, linger_ms=LINGER_MS)
        await running.state.producer.start()
        try:
            yield
        finally:
            await running.state.producer.stop()

    bare = FastAPI(lifespan=lifespan)

    @bare.post("/v1/batch")
    async def batch(request: Request) -> dict[str, bool]:
        body = await request.json()
        send = request.app.state.producer.send
        acks = [
            await send(topic, json.dumps(event).encode(), key=event["userId"].encode(), headers=[])
            for event in body["batch"]
        ]
        await asyncio.gather(*acks)
        return {"success": True}

    @bare.get("/")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    return bare


def main() -> None:
    """Serve until SIGTERM."""
    bootstrap, port, topic = sys.argv[1:]
    served = app(bootstrap, topic)
    uvicorn.run(served, host=HOST, port=int(port), loop="uvloop", http="httptools", access_log=False)


if __name__ == "__main__":
    main()
