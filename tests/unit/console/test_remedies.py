"""What replaying a letter means, topic by topic; and what is refused, with what to do instead."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.console.letters import Letter, dead, rejected
from services.console.remedies import LARGEST_EVENT, NoRemedyError, PutBack, Resend, remedy
from shared.contract.broadcasts import CutsPublished, PolicyPublished, ResyncRequested, Tick
from shared.contract.bundles import Happened, Profile, ProfileStep, ProfileUpdated
from shared.contract.codec import decode_front, encode
from shared.contract.commands import CancelMessage, Suppress
from shared.contract.dead_letters import LONGEST_SEALED, DeadLetter
from shared.contract.facts import OrderPlaced, TraitsSet
from shared.contract.identity import Forwarded, Fragment, Linked
from shared.contract.origin import Origin
from shared.contract.partitioner import partition_of
from shared.contract.rejected_events import RejectedEvent
from shared.contract.topics import (
    CONTACT_POINTS,
    CUSTOMER_EVENTS,
    OUTREACH_COMMANDS,
    PROFILE_UPDATES,
    PROVIDER_RECEIPTS,
    REJECTED_EVENTS,
    SEGMENT_UPDATES,
)
from shared.instants import LATEST
from tests.unit.trigger_engine.story import NOON, ORDERED, Story, rule

ORDER = OrderPlaced(id="e1", at=5, order_id="o1", amount=7, currency="CNY")
CANCEL = CancelMessage(command_id="c1", customer="ann", reason="r", decided_at=1)


class Told(msgspec.Struct):
    """A record as the console's consumer gives it."""

    key: bytes | None
    value: bytes | None
    partition: int = 3
    offset: int = 11
    timestamp: int = 2_000_000_000_000


def buried(topic: str = CUSTOMER_EVENTS.name, *, key: bytes | None = b"ann", customer: str | None = None) -> Letter:
    named = (key or b"").decode(errors="replace") if customer is None else customer
    told = DeadLetter(
        service="profile", topic=topic, partition=4, offset=9, customer=named, reason="r", arrived=77, sealed="c2VhbGVk"
    )
    return dead(Told(key, encode(told)))


def test_a_letter_told_twice_is_one_and_two_customers_of_one_tick_are_two() -> None:
    assert buried().id == buried().id
    assert buried(key=None, customer="ann").id != buried(key=None, customer="bob").id


@pytest.mark.parametrize("number", [-1, 2**63, 10**40])
def test_a_place_that_no_database_holds_is_refused_like_any_unreadable_record(number: int) -> None:
    told = encode(buried_raw() | {"offset": number})
    with pytest.raises(msgspec.DecodeError):
        dead(Told(b"k", told))


def buried_raw() -> dict[str, Any]:
    whole = {"type": "dead.letter", "service": "s", "topic": "t", "partition": 0, "offset": 0, "customer": ""}
    return whole | {"reason": "r", "arrived": 0, "sealed": ""}


def test_instants_of_a_forged_letter_stay_within_what_can_be_shown() -> None:
    letter = dead(Told(None, encode(buried_raw() | {"arrived": 2**62}), timestamp=-5))
    assert (letter.arrived, letter.told_at) == (LATEST, 0)


def test_texts_are_stored_as_the_database_takes_them() -> None:
    told = RejectedEvent(id="i", source="s", path="a\0b", reason="x" * 9_000, sealed="", received_at=1)
    letter = rejected(Told(b"s", encode(told)))
    assert (letter.path, len(letter.reason), letter.topic) == ("a\ufffdb", 500, REJECTED_EVENTS.name)
    assert letter.seal == ("rejected-event", "i")


# --- the front


@pytest.mark.parametrize("fixed", [None, encode(ORDER)])
def test_a_fact_goes_back_to_its_customer_in_his_own_partition(fixed: bytes | None) -> None:
    found = put(remedy(buried(), encode(ORDER) if fixed is None else b"{", fixed=fixed))
    assert (found.record.topic, found.record.key) == (CUSTOMER_EVENTS.name, b"ann")
    assert found.record.partition == partition_of(b"ann")
    assert decode_front(found.record.value) == ORDER
    assert dict(found.record.headers)["ce_id"] == b"e1"


def test_a_forwarded_fact_finds_its_way_from_the_id_under_which_it_came() -> None:
    forwarded = Forwarded("weak", Origin(1, 2, 3), ORDER, 5)
    found = put(remedy(buried(), encode(forwarded)))
    assert (found.record.key, decode_front(found.record.value)) == (b"weak", ORDER)


def test_a_link_goes_back_as_it_was() -> None:
    assert put(remedy(buried(), encode(Linked("zoe")))).record.value == encode(Linked("zoe"))


@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe", b"k" * 4_096])
def test_a_fact_whose_customer_is_not_known_needs_him_named(key: bytes | None) -> None:
    with pytest.raises(NoRemedyError, match="--customer"):
        remedy(buried(key=key), encode(ORDER))
    assert put(remedy(buried(key=key), encode(ORDER), customer="ann")).record.key == b"ann"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 5_000, b'{"type":"order.placed"}', b'{"type":"nobody"}'])
def test_what_still_cannot_be_read_is_not_put_back(raw: bytes) -> None:
    with pytest.raises(NoRemedyError, match="--with"):
        remedy(buried(), raw)


@pytest.mark.parametrize("fixed", [Tick(5), PolicyPublished(1, {}), Fragment("a", Origin(1, 1, 1), {}, b"")])
def test_only_a_fact_or_a_link_may_take_a_records_place(fixed: Any) -> None:
    with pytest.raises(NoRemedyError, match="fact or a link"):
        remedy(buried(), b"{", fixed=encode(fixed))


def test_a_record_of_which_only_a_part_was_kept_is_not_put_back_as_if_it_were_whole() -> None:
    with pytest.raises(NoRemedyError, match="first part"):
        remedy(buried(), b"x" * LONGEST_SEALED)


def test_state_handed_over_is_never_put_back() -> None:
    fragment = encode(Fragment("weak", Origin(1, 2, 3), {}, b"state"))
    for topic in (CUSTOMER_EVENTS, PROFILE_UPDATES, SEGMENT_UPDATES):
        with pytest.raises(NoRemedyError, match="rebuild"):
            remedy(buried(topic.name), fragment)


# --- time, cuts, policy


@pytest.mark.parametrize("topic", [CUSTOMER_EVENTS.name, PROFILE_UPDATES.name, SEGMENT_UPDATES.name])
@pytest.mark.parametrize("told", [Tick(5), CutsPublished(1, "d", None, 0), PolicyPublished(1, {})])
def test_a_customer_who_could_not_follow_a_broadcast_is_looked_at_again(topic: str, told: Any) -> None:
    found = put(remedy(buried(topic, key=None, customer="ann"), encode(told)))
    assert found.asks
    assert (found.record.topic, found.record.key) == (CUSTOMER_EVENTS.name, b"ann")


def test_a_policy_that_a_partition_could_not_adopt_goes_back_to_that_partition() -> None:
    policy = encode(PolicyPublished(3, {}))
    record = put(remedy(buried(key=None), policy)).record
    assert (record.partition, record.key, record.value) == (4, None, policy)


@pytest.mark.parametrize(("told", "instead"), [(Tick(5), "dismiss"), (ResyncRequested(3), "resync")])
def test_a_broadcast_that_was_about_nobody_is_made_anew_or_dismissed(told: Any, instead: str) -> None:
    with pytest.raises(NoRemedyError, match=instead):
        remedy(buried(key=None), encode(told))


# --- between the services


def bundle(*happened: Happened) -> bytes:
    step = ProfileStep(at=1, cause="event", profile=Profile(), happened=happened)
    return encode(ProfileUpdated(origin=Origin(1, 2, 3), as_of=1, steps=(step,)))


@pytest.mark.parametrize("raw", [bundle(), b"{", b"\xff"])
def test_an_inner_record_is_not_put_back_but_its_customer_told_anew(raw: bytes) -> None:
    found = put(remedy(buried(PROFILE_UPDATES.name), raw))
    fact = decode_front(found.record.value)
    assert found.asks
    assert isinstance(fact, TraitsSet)
    assert (fact.traits, fact.at, fact.mode, fact.baseline) == ({}, 77, "live", None)
    assert found == remedy(buried(PROFILE_UPDATES.name), raw), "asked twice, it is one fact"


def test_who_is_asked_because_of_an_import_is_asked_as_silently() -> None:
    silent = [
        Happened(what="order.placed", id=str(at), at=1, silent=True, baseline=at, confirmed=at > 4) for at in (4, 9)
    ]
    fact = decode_front(put(remedy(buried(PROFILE_UPDATES.name), bundle(*silent))).record.value)
    assert isinstance(fact, TraitsSet)
    assert (fact.mode, fact.baseline, fact.confirmed) == ("import", 9, False)


def test_an_inner_record_is_not_mended_by_hand() -> None:
    with pytest.raises(NoRemedyError, match="without --with"):
        remedy(buried(PROFILE_UPDATES.name), b"{", fixed=bundle())
    with pytest.raises(NoRemedyError, match="resync"):
        remedy(buried(PROFILE_UPDATES.name, key=None), b"{")


# --- the notifier's inputs


def test_a_command_goes_back_under_the_id_that_it_had() -> None:
    assert put(remedy(buried(OUTREACH_COMMANDS.name), encode(CANCEL))).record.value == encode(CANCEL)
    mended = encode(msgspec.structs.replace(CANCEL, reason="other"))
    assert put(remedy(buried(OUTREACH_COMMANDS.name), encode(CANCEL), fixed=mended)).record.value == mended
    another = encode(msgspec.structs.replace(CANCEL, command_id="c2"))
    with pytest.raises(NoRemedyError, match="command_id"):
        remedy(buried(OUTREACH_COMMANDS.name), encode(CANCEL), fixed=another)


def test_t5_a_replayed_send_has_the_id_of_the_record_that_it_repeats_and_a_mended_one_its_own() -> None:
    story = Story(rule("offer", ORDERED))
    story.buys(NOON)
    raw = encode(story.commands[0])
    mended = encode(msgspec.structs.replace(story.commands[0], template="other"))
    letter = buried(OUTREACH_COMMANDS.name)
    ids = [
        dict(put(remedy(letter, raw, fixed=fixed)).record.headers)["ce_id"].decode() for fixed in (None, raw, mended)
    ]

    assert ids[:2] == [story.commands[0].command_id] * 2
    assert ids[2] not in ids[:2]


def test_what_tells_of_silence_goes_back_too() -> None:
    silence = Suppress(customer="ann", channel="sms", purpose="marketing", reason="consent", decided_at=1, number=1)
    assert put(remedy(buried(OUTREACH_COMMANDS.name), encode(silence))).record.value == encode(silence)


def test_a_receipt_goes_back_and_an_address_does_not() -> None:
    assert put(remedy(buried(PROVIDER_RECEIPTS.name), b"{}")).record.value == b"{}"
    with pytest.raises(NoRemedyError, match="contact again"):
        remedy(buried(CONTACT_POINTS.name), b"{}")
    with pytest.raises(NoRemedyError, match="no input of ours"):
        remedy(buried("somebody-elses"), b"{}")


# --- rejected events


def rejection() -> Letter:
    told = RejectedEvent(id="i", source="shop", path="$.x", reason="r", sealed="c2VhbGVk", received_at=1)
    return rejected(Told(b"shop", encode(told)))


def test_a_rejected_event_goes_through_the_intake_with_its_own_message_id() -> None:
    assert remedy(rejection(), b'{"messageId":"m1"}') == Resend({"messageId": "m1"})
    assert remedy(rejection(), b"{", fixed=b'{"messageId":"m1"}') == Resend({"messageId": "m1"})


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'"' + b"x" * LARGEST_EVENT + b'"'])
def test_what_is_no_event_is_not_sent_again(raw: bytes) -> None:
    with pytest.raises(NoRemedyError, match=r"--with|larger"):
        remedy(rejection(), raw)


def put(found: object) -> PutBack:
    assert isinstance(found, PutBack)
    return found
