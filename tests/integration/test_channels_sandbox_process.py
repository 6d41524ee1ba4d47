"""The sandbox as a process of its own: kept log after a kill, clean end, no start without secrets."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.notifier.channels.contract import Accepted, AwaitingStaff
from shared import clock
from tests.support.channels import build, rigged

SECRETS = {
    "sms_key_id": "key-id",
    "sms_key_secret": "key-secret",
    "wecom_corp_id": "corp",
    "wecom_secret": "app-secret",
    "smtp_username": "relay-user",
    "smtp_password": "relay-password",
}


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUITOU_")}
    return {
        **kept,
        "HUITOU_SANDBOX_HTTP_PORT": "0",
        "HUITOU_SANDBOX_SMTP_PORT": "0",
        "HUITOU_SANDBOX_LOG_PATH": str(folder / "log.jsonl"),
        **more,
    }


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    secrets_file = folder / "secrets.json"
    secrets_file.write_text(json.dumps(SECRETS))
    started = subprocess.Popen(
        [sys.executable, "-m", "deploy.sandbox"],
        env=environment(folder, HUITOU_SANDBOX_SECRETS_FILE=str(secrets_file)),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        ready = json.loads(started.stdout.readline())
        yield started, f"http://127.0.0.1:{ready['http_port']}", ready["smtp_port"]
    finally:
        started.kill()
        started.communicate()


async def test_what_was_accepted_before_a_kill_is_found_after_it(tmp_path: Path) -> None:
    async with rigged("wecom", tmp_path / "elsewhere") as other:
        outbound = other.outbound()
        attempt = other.attempt(outbound)
    with process(tmp_path) as (killed, address, smtp_port):
        channel = build("wecom", base_url=address, smtp_port=smtp_port)
        created = await channel.send(outbound)
        assert isinstance(created, AwaitingStaff)
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
        await channel.close()
    with (tmp_path / "log.jsonl").open("ab") as log:
        log.write(b'{"type":"accepted","ref":"half a line')

    with process(tmp_path) as (_, address, smtp_port):
        channel = build("wecom", base_url=address, smtp_port=smtp_port)
        found = await channel.look_up(attempt)
        second = await channel.send(other.outbound("command-2"))
        await channel.close()

    assert found == created
    assert isinstance(second, AwaitingStaff)
    assert second.provider_ref != created.provider_ref


async def test_a_terminated_sandbox_ends_cleanly(tmp_path: Path) -> None:
    with process(tmp_path) as (running, address, smtp_port):
        channel = build("email", base_url=address, smtp_port=smtp_port)
        async with rigged("email", tmp_path / "elsewhere") as other:
            assert isinstance(await channel.send(other.outbound()), Accepted)
        await channel.close()
        begun = clock.monotonic()
        running.terminate()

        assert running.wait(10) == 0
        assert clock.monotonic() - begun < 8


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_without_a_secret_it_does_not_start_and_names_what_is_missing(missing: str, tmp_path: Path) -> None:
    rest = {f"HUITOU_SANDBOX_{name.upper()}": value for name, value in SECRETS.items() if name != missing}

    ended = subprocess.run(
        [sys.executable, "-m", "deploy.sandbox"],
        env=environment(tmp_path, **rest),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode != 0
    assert missing in ended.stderr
    assert "Field required" in ended.stderr
