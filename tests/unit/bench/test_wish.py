"""What the environment may ask for, and what it is told otherwise."""

from __future__ import annotations

import pytest

from deploy.stack.stack import CACHE
from shared.language.policy_file import check_policy, read_policy_file
from tests.bench.__main__ import PARTS, POLICY, Wish, awake, wish


def test_without_wishes_everything_is_measured() -> None:
    assert wish({}) == Wish(tuple(PARTS), None, 60.0, None, CACHE)


def test_one_part_may_be_asked_for_and_shortened() -> None:
    asked = {"BENCH": "chain", "EVENTS": "5000", "SECONDS": "5", "CUSTOMERS": "20000"}

    assert wish(asked) == Wish(("chain",), 5_000, 5.0, 20_000, CACHE)


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        (
            {"BENCH": "chian"},
            "BENCH: 'chian' is unknown; there are in-process, intake, peers, chain, latency, import, due, restart, scale-out, versus",
        ),
        ({"EVENTS": "many"}, "EVENTS: .*many"),
        ({"EVENTS": "10"}, r"EVENTS must be 2000 or more \(is 10\)"),
        ({"CUSTOMERS": "0"}, r"CUSTOMERS must be 10000 or more \(is 0\)"),
        ({"SECONDS": "soon"}, "SECONDS: .*soon"),
        ({"SECONDS": "0"}, r"SECONDS must be 1 to 3600 \(is 0\)"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_name(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        wish(environment)


def test_the_policy_for_latencies_is_valid_and_has_no_quiet_hours() -> None:
    document = read_policy_file(POLICY)

    policy = check_policy(awake(document))

    assert "quiet_hours" in document
    assert "quiet_hours" not in policy
    assert policy["rules"] == document["rules"]
