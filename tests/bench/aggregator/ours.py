"""`python -m tests.bench.aggregator.ours`: the job on our host, as any service of the product runs (HUITOU_HOST chooses which)."""

from __future__ import annotations

from shared.engine.host.settings import EngineSettings
from shared.engine.host.worker import run_worker
from tests.bench.aggregator.fold import AggregatorFold
from tests.bench.aggregator.told import told

if __name__ == "__main__":
    names = told()
    run_worker(lambda _: AggregatorFold(names.job, names.answers), EngineSettings())
