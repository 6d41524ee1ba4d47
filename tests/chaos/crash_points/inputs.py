"""The records that the notifier reads in a life: contact points and commands of the chain, then the providers' receipts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from deploy.sandbox import wecom
from deploy.sandbox.context import Sandbox
from deploy.sandbox.message_log import Accepted
from shared.contract.codec import encode
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.contact_points import ContactPoint
from shared.contract.partitioner import partition_of
from shared.contract.topics import CONTACT_POINTS, OUTREACH_COMMANDS, PROVIDER_RECEIPTS
from shared.sealing import Keyring

from .world import World

_command = msgspec.json.Decoder(OutreachCommand).decode


def to_send(world: World, *, per_channel: int = 6) -> list[SendMessage]:
    """The first commands of each channel that the chain gave, none twice; they wait for the notifier until the last is read."""
    places = [place for place in sorted(world.logs) if place[0] == OUTREACH_COMMANDS.name]
    told = [_command(stored.value) for place in places for stored in world.log(*place)]
    messages = {command.command_id: command for command in told if isinstance(command, SendMessage)}
    channels: dict[str, list[SendMessage]] = {}
    for message in messages.values():
        channels.setdefault(message.channel, []).append(message)
    chosen = [message for each in channels.values() for message in each[:per_channel]]
    latest = max(message.decided_at for message in chosen)
    return [msgspec.structs.replace(message, send_by=latest + 1) for message in chosen]


def write_log(world: World, commands: Sequence[SendMessage], keyring: Keyring) -> None:
    """Append a sealed address of every alias that the commands name, of one an old one behind it, then the commands."""
    sealed = {(each.alias, each.field): each for each in commands if each.field}
    for place, (alias, field) in enumerate(sorted(sealed)):
        address = {
            "phone": f"138{place:08d}",
            "email": f"{alias}@mail.example",
            "external_userid": f"wm-{alias}",
        }[field]
        point = ContactPoint(alias=alias, field=field, sealed=keyring.seal(alias, field, address), at=1)
        old = msgspec.structs.replace(point, sealed="old", at=0)
        for told in (point, old) if place == 0 else (point,):
            world.append(CONTACT_POINTS.name, partition_of(alias.encode()), f"{alias}/{field}".encode(), encode(told))
    for each in commands:
        _put(world, OUTREACH_COMMANDS.name, each.customer, encode(each))


def last_words(world: World, sandbox: Sandbox) -> None:
    """Guides confirm, and receipts come in, one twice."""
    taken = sorted(sandbox.log.accepted, key=lambda message: message.command_id)
    for message in taken:
        if message.channel == "wecom":
            wecom.confirm(sandbox, message.ref)
    texts = [message for message in taken if message.channel == "sms"]
    for message in (*texts, *texts[:1]):
        world.append(PROVIDER_RECEIPTS.name, 0, message.ref.encode(), _receipt(message))


def _put(world: World, topic: str, customer: str, value: bytes) -> None:
    key = customer.encode()
    world.append(topic, partition_of(key), key, value)


def _receipt(message: Accepted) -> bytes:
    """As the provider tells it: with the id that the command gave to it."""
    told = {"provider": "aliyun", "ref": message.ref, "command_id": message.command_id, "status": "delivered"}
    return msgspec.json.encode(told)
