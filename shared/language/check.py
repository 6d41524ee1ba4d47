"""Checks of a policy document: the one place that says whether a policy is valid."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.language.policy import LONGEST_CAP_HOURS, WAITING, Policy, Rule
from shared.language.triggers import CAUSES, PLACES, Enters, means_not_bought


def parse_policy(document: Any) -> Policy:
    """The policy of decoded JSON or YAML; ValueError names the field and the reason."""
    try:
        policy = msgspec.convert(document, Policy, strict=True)
    except msgspec.ValidationError as error:
        msg = f"policy: {error}"
        raise ValueError(msg) from error
    _check_ids(policy)
    for index, rule in enumerate(policy.rules):
        _check_waits(policy, index, rule)
        if isinstance(rule.when, Enters):
            _check_place(index, rule.when)
    _check_caps(policy)
    return policy


def _check_ids(policy: Policy) -> None:
    ids = [rule.id for rule in policy.rules]
    for rule_id in ids:
        if ids.count(rule_id) > 1:
            raise ValueError(f"policy: rules: the id {rule_id!r} is used {ids.count(rule_id)} times")


def _check_waits(policy: Policy, index: int, rule: Rule) -> None:
    if rule.waits_for and policy.behaviour < WAITING:
        raise ValueError(f"policy: rules[{index}].waits_for: needs behaviour {WAITING}")
    if rule.waits_for and not means_not_bought(rule.when):
        raise ValueError(
            f"policy: rules[{index}].waits_for: only a rule that means 'he has not bought' waits for sources"
        )


def _check_place(index: int, when: Enters) -> None:
    if when.to not in PLACES[when.dimension]:
        known = ", ".join(sorted(PLACES[when.dimension]))
        raise ValueError(f"policy: rules[{index}].when.to: {when.to!r} is no {when.dimension}; one of {known}")
    for cause in when.causes:
        if cause not in CAUSES:
            known = ", ".join(CAUSES)
            raise ValueError(f"policy: rules[{index}].when.causes: {cause!r} is no cause; one of {known}")


def _check_caps(policy: Policy) -> None:
    for index, cap in enumerate(policy.caps):
        if cap.hours > LONGEST_CAP_HOURS:
            raise ValueError(f"policy: caps[{index}].hours: {cap.hours} is above {LONGEST_CAP_HOURS} (366 days)")
    if policy.min_gap_hours > LONGEST_CAP_HOURS:
        raise ValueError(f"policy: min_gap_hours: {policy.min_gap_hours} is above {LONGEST_CAP_HOURS} (366 days)")
