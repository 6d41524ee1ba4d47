"""The folds are measured on records that they really step by: each event is one step in each of them."""

from __future__ import annotations

from shared.language.policy_file import read_policy_file
from tests.bench import in_process
from tests.bench.__main__ import MORNING, POLICY
from tests.bench.figures import Sheet


async def test_intake_and_three_folds_have_a_cost_and_a_rate() -> None:
    sheet = Sheet()

    await in_process.measure(sheet, events=2_000, at=MORNING, policy=read_policy_file(POLICY))

    costs = {one.name: one.value for one in sheet if one.unit == "CPU µs per event"}
    assert set(costs) == {f"in-process: {name}" for name in ("intake", "profile", "segmenter", "trigger_engine")}
    assert all(value > 0 for value in costs.values())
    folds = sum(value for name, value in costs.items() if name != in_process.INTAKE_NAME)
    rate = sheet.value(f"{in_process.FOLDS_NAME}, rate")
    assert rate is not None
    assert abs(rate * folds / 1e6 - 1) < 0.01
