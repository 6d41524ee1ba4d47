"""The hostile corpus against a real process and a real broker: nothing breaks, nothing bad enters, the sums are right; the sums see a fault.

HUITOU_HOSTILE_SLOW=1 adds the clients that send a byte a second (45 s); `python -m tests.hostile` always has them.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from deploy.create_topics import create
from tests.hostile.attack import Outcome
from tests.hostile.corpus import Case, corpus
from tests.hostile.run import MOST_GROWTH, run
from tests.hostile.verdict import Topics, add_up

FEWEST = 650


async def test_the_whole_corpus_does_no_harm(broker: str, tmp_path: Path) -> None:
    await create(broker)
    lines: list[str] = []
    report = await run(tmp_path, broker, lines.append, slow=os.environ.get("HUITOU_HOSTILE_SLOW") == "1")
    assert report.wrong == []
    assert sum(sums.requests for sums in report.sums.values()) == len(corpus()) >= FEWEST
    assert sum(sums.failures for sums in report.sums.values()) == 0
    assert all(each.kib <= MOST_GROWTH for each in report.grown)


def test_names_and_ids_of_the_corpus_are_its_own() -> None:
    names = Counter(case.name for case in corpus())
    stored = Counter(event_id for case in corpus() for event_id in case.stored)
    assert [name for name, times in names.items() if times > 1] == []
    assert [event_id for event_id, times in stored.items() if times > 1] == []


def test_the_sums_see_what_is_lost_let_in_doubled_or_not_told() -> None:
    typed = Outcome(Case("a", "/api/v1/events", b"", ("good-1",), 1), 207, 1, 1, 5)
    segment = Outcome(Case("b", "/v1/batch", b"", ("good-2",), 1), 200, 1, 1, 5)
    right = Topics(Counter({"good-1": 1, "good-2": 1}), 1, 0)
    assert add_up([typed, segment], right).wrong == ()
    assert add_up([typed, segment], right._replace(stored=Counter({"good-1": 1}))).wrong == (
        "good-2 is not stored",
        "1 stored + 1 refused + 1 rejected are not 4",
    )
    let_in = right._replace(stored=Counter({"good-1": 1, "good-2": 1, "bad-1": 1}), rejected=0, bad=1)
    assert add_up([typed, segment], let_in).wrong == ("bad-1 is stored", "1 bad records in customer-events-v1")
    doubled = right._replace(stored=Counter({"good-1": 2, "good-2": 1}))
    assert add_up([typed, segment], doubled).wrong == ("good-1 is stored 2 times",)
    silent = right._replace(rejected=0)
    assert add_up([typed, segment], silent).wrong == ("2 stored + 1 refused + 0 rejected are not 4",)
    broken = typed._replace(status=500, surprise="a failure of the server")
    assert add_up([broken, segment], right).wrong == ("a: 500, a failure of the server",)
