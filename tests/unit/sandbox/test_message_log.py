"""The log of accepted messages: counted per command, and the same after a kill."""

from pathlib import Path

from deploy.sandbox.message_log import Accepted, Finished, MessageLog, Suppressed


def message(ref: str, command_id: str, channel: str = "sms") -> Accepted:
    return Accepted(ref=ref, at_ms=1, channel=channel, command_id=command_id, to="13912345678")  # type: ignore[arg-type]


def test_duplicates_are_counted_per_channel_and_command(tmp_path: Path) -> None:
    log = MessageLog(tmp_path / "log.jsonl")
    for entry in (message("1", "a"), message("2", "a"), message("3", "b"), message("4", "a", "email")):
        log.append(entry)
    log.append(Suppressed(ref="1", at_ms=2))

    assert log.count() == {
        "accepted": 4,
        "suppressed": 1,
        "commands": {"sms": {"a": 2, "b": 1}, "email": {"a": 1}},
        "duplicates": {"sms": {"a": 2}},
    }
    assert [found.ref for found in log.find("sms", "a")] == ["1", "2"]
    log.close()


def test_a_log_opened_again_knows_what_was_written_and_drops_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = MessageLog(path)
    log.append(message("1", "a"))
    log.append(Finished(ref="1", at_ms=2, status=3))
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[0][:-4])

    again = MessageLog(path)
    again.append(message("2", "b"))
    again.close()

    third = MessageLog(path)
    assert [found.ref for found in third.find()] == ["1", "2"]
    assert third.status("1") == 3
    assert third.status("2") is None
    assert path.stat().st_mode & 0o077 == 0
    third.close()
