"""`python -m services.profile`: the profile aggregator on the Kafka host."""

from __future__ import annotations

from services.profile.fold import ProfileFold
from shared.settings import EngineSettings
from shared.streams.worker import run_worker


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = EngineSettings()
    shop = settings.shop()
    run_worker(lambda _: ProfileFold(shop, scenario=settings.scenario), settings)


if __name__ == "__main__":
    main()
