from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.demo import screenshot
from deploy.demo.screenshot import BrowserError

PAINTER = """#!/bin/sh
for each in "$@"; do case "$each" in --screenshot=*) echo picture > "${each#--screenshot=}";; esac; done
"""


def browser(directory: Path, script: str) -> None:
    file = directory / "chromium"
    file.write_text(script)
    file.chmod(stat.S_IRWXU)


def test_without_a_browser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrowserError, match="no browser on PATH: install one of chromium"):
        screenshot.take("http://127.0.0.1:1/", tmp_path / "out.png")


def test_the_browser_on_path_writes_the_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    browser(tmp_path, PAINTER)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    out = tmp_path / "docs" / "page.png"
    screenshot.take("http://127.0.0.1:1/", out)
    assert out.read_text() == "picture\n"


def test_a_picture_that_did_not_come_is_an_error_with_the_browsers_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    browser(tmp_path, "#!/bin/sh\necho cannot open display >&2\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "out.png").write_text("an older picture")
    with pytest.raises(BrowserError, match="cannot open display"):
        screenshot.take("http://127.0.0.1:1/", tmp_path / "out.png")
