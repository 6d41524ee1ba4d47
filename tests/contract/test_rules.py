"""Every rule of the engine has a test that takes it out, and the published table is the generated one."""

from __future__ import annotations

from tests.rule_table import PAGE, page, proofs


def test_every_rule_is_taken_out_somewhere() -> None:
    assert [rule.value for rule, tests in proofs().items() if not tests] == []


def test_the_published_table_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.rule_table"
