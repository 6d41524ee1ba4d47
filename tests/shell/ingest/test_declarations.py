"""Declarations of completeness in memory: by `POST /api/v1/sources/complete`, and within a push of events."""

from __future__ import annotations

import pytest

from shared.contract.broadcasts import SourceCompleted
from shared.contract.topics import PARTITIONS
from tests.shell.ingest.hooked import Hooked, golden


async def test_a_declaration_goes_into_every_partition(hooked: Hooked) -> None:
    told = await hooked.complete(b'{"until":"2025-10-09T08:00:00Z"}')

    assert (told.status_code, told.json()) == (200, {"source": "shop", "until": "2025-10-09T08:00:00.000Z"})
    assert hooked.declared() == [(n, SourceCompleted("shop", 1_759_996_800_000)) for n in range(PARTITIONS)]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"until":"2025-10-09T08:00:00"}', "until"),
        (b'{"until":"2025-10-09T09:00:00Z"}', "until"),
        (b"{}", "until"),
        (b"[]", ""),
        (b'{"until":"2025-10-09T08:00:00Z","source":"pos"}', "source"),
        (b'{"until":"2025-10-09T08:00:00Z","type":"order.placed"}', "type"),
        (b'{"until":"2025-10-09T08:00:00Z","more":1}', "*"),
    ],
)
async def test_a_declaration_that_makes_no_sense_is_refused_by_field(hooked: Hooked, body: bytes, path: str) -> None:
    told = await hooked.complete(body)
    assert (told.status_code, told.json()["path"]) == (422, path)
    assert hooked.declared() == []


async def test_only_a_live_key_declares(hooked: Hooked) -> None:
    body = b'{"until":"2025-10-09T08:00:00Z"}'
    assert (await hooked.complete(body, "hk_nobody")).status_code == 401
    assert (await hooked.complete(body, hooked.import_key)).status_code == 403
    assert hooked.declared() == []


async def test_what_lies_a_little_ahead_counts_as_now(hooked: Hooked) -> None:
    told = await hooked.complete(b'{"until":"2025-10-09T08:55:00Z"}')
    assert told.status_code == 200
    assert {declared.until for _, declared in hooked.declared()} == {hooked.now_ms}


async def test_a_push_declares_behind_its_own_events(hooked: Hooked) -> None:
    push = golden("generic/batch")
    push["body"]["events"].insert(0, {"type": "source.completed", "id": "d1", "until": "2025-10-09T08:00:00Z"})
    told = (await hooked.post(push)).json()

    assert (told["accepted"], told["rejected"]) == (3, 0)
    places = [record.key is None for record in hooked.publisher.of("customer-events-v1")]
    assert places.count(False) > 2  # a link stands before the events that name its ids
    assert places == sorted(places)
    assert places.count(True) == PARTITIONS
    assert {declared.source for _, declared in hooked.declared()} == {"generic"}


async def test_a_push_of_which_an_event_was_refused_declares_nothing(hooked: Hooked) -> None:
    """Not everything was told: the refused one may have been the purchase."""
    push = golden("generic/batch")
    push["body"]["events"] += [{"type": "nonsense"}, {"type": "source.completed", "until": "2025-10-09T08:00:00Z"}]
    told = (await hooked.post(push)).json()

    assert (told["accepted"], told["rejected"]) == (2, 2)
    assert "not everything was told" in told["results"][-1]["error"]["reason"]
    assert hooked.declared() == []
