"""The series of one process in a registry of prometheus-client."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from shared.telemetry.series import SECONDS, series_of

# A second series beside each counter and histogram, which nobody documents.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Registry:
    """Satisfies Meters. The interpreter's and the process's own series (`python_…`, `process_…`) are there too."""

    def __init__(self, process: str) -> None:
        """`process`: a name of `PROCESSES`."""
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for each in series_of(process):
            told = each.name, each.meaning, each.labels
            if each.kind == "counter":
                self._counters[each.name] = Counter(*told, registry=self.registry)
            elif each.kind == "gauge":
                self._gauges[each.name] = Gauge(*told, registry=self.registry)
            else:
                self._histograms[each.name] = Histogram(*told, buckets=SECONDS, registry=self.registry)

    def counter(self, name: str) -> Counter:
        """See Meters."""
        return self._counters[name]

    def gauge(self, name: str) -> Gauge:
        """See Meters."""
        return self._gauges[name]

    def histogram(self, name: str) -> Histogram:
        """See Meters."""
        return self._histograms[name]
