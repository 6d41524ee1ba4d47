"""Letters as people see them: the page and the command show hostile texts as texts."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from services.console import letters_command
from tests.integration.letters_house import HOSTILE, ORDER, House, house

__all__ = ["house"]


pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("path", ["/letters", "/letters/list"])
async def test_the_page_shows_hostile_texts_as_texts(house: House, path: str, lang: str) -> None:
    await house.bury(ORDER, reason=HOSTILE, key=HOSTILE.encode())
    await house.refuse({}, offset=0, path=HOSTILE)
    async with house.client() as client:
        answer = await client.get(path, params={"lang": lang})
        searched = await client.get(path, params={"lang": lang, "reason": HOSTILE, "source": HOSTILE, "since": ""})
    for page in (answer.text, searched.text):
        assert "<script>alert" not in page
        assert not any(each in page for each in "\x1b\x07\u202e")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert "\\x1b[31m\\x07\\u202e[bold]{{7*7}}" in answer.text
    assert "49" not in answer.text.split("{{7*7}}")[0][-5:]
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert ("拒收" in answer.text or path != "/letters") if lang == "zh" else "Nothing matches" not in answer.text


async def test_the_command_shows_hostile_texts_as_texts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.bury(HOSTILE.encode(), reason=HOSTILE, key=HOSTILE.encode())
    _environment(house, monkeypatch)
    letter = await house.only()
    for arguments in (["search"], ["search", "--lang", "en"], ["show", letter[:8]]):
        out = io.StringIO()
        code = await letters_command.run(
            arguments, Console(file=out, width=200, force_terminal=True, color_system=None)
        )
        said = out.getvalue()
        assert code == 0
        assert "\x1b[31m" not in said
        assert not any(each in said for each in "\x07\u202e\r")
        assert "\\x1b[31m" in said
        assert "[bold]" in said


async def test_the_command_searches_dismisses_and_says_what_it_cannot_do(
    house: House, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    await house.bury(b"{", b"{")
    _environment(house, monkeypatch)
    assert await letters_command.run(["search", "--json", "--limit", "1"]) == 0
    found = json.loads(capfdbinary.readouterr().out)
    letter = found["letters"][0]["id"]
    assert (found["total"], found["letters"][0]["customer"]) == (2, "ann")
    assert await letters_command.run(["show", letter, "--raw"]) == 0
    assert capfdbinary.readouterr().out == b"{"
    assert await letters_command.run(["replay", letter]) == 1
    assert b"--with" in capfdbinary.readouterr().err
    assert await letters_command.run(["replay", "--all", "--service", "profile", "--lang", "en"]) == 0
    assert b"2 letters would be replayed" in capfdbinary.readouterr().out
    assert await letters_command.run(["dismiss", letter, "--note", "a test", "--operator", "bob"]) == 0
    assert (await house.found(state="dismissed"))["total"] == 1
    assert await letters_command.run(["show", "nobody-knows"]) == 1
    monkeypatch.delenv("HUITOU_KEYRING")
    assert await letters_command.run(["show", letter]) == 1
    assert b"keyring" in capfdbinary.readouterr().err
    assert await house.actions() == ["opened", "dismissed"]


def _environment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUITOU_DATABASE_URL", house.url)
    monkeypatch.setenv("HUITOU_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("HUITOU_KEYRING", str(house.keyring_file))


# --- operators
