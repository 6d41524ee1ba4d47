"""The route that splits an identifier off from its person. Knows HTTP; decides nothing about identities."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import answer, error
from services.ingest.bodies import bearer, read_body
from services.ingest.gate import Gate
from services.ingest.identifiers import IdentifierRefusedError, Pepper
from services.ingest.publisher import Publisher
from services.ingest.strict_json import JsonRefusedError, parse
from services.ingest.typed import CUSTOMER_KINDS
from services.ingest.unlink import alias_from, alias_of, unlink_record
from services.ingest.write_keys import Scope

PATH: Final = "/api/v1/identity/unlink"


def identity_routes(pepper: Pepper, publisher: Publisher, gate: Gate) -> APIRouter:
    """`POST {"customer": {"phone": …}}` or `{"id": …}`: one identifier; 202 once the broker has the record."""
    router = APIRouter()

    async def unlink(request: Request) -> Response:
        gate.admit(bearer(request), Scope.IDENTITY, events=1)
        body = parse(await read_body(request))
        if not isinstance(body, dict) or len(body) != 1:
            raise JsonRefusedError("$", "must be an object with customer or id")
        try:
            alias = alias_from(body["id"]) if isinstance(body.get("id"), str) else _alias(body.get("customer"), pepper)
        except (ValueError, IdentifierRefusedError) as refusal:
            return error(422, "not_identified", str(refusal))
        await publisher.publish([unlink_record(alias)])
        return answer(202, {"id": alias})

    router.add_api_route(PATH, unlink, methods=["POST"])
    return router


def _alias(customer: object, pepper: Pepper) -> str:
    if not isinstance(customer, dict) or len(customer) != 1:
        raise ValueError("customer must name exactly one identifier")
    [(name, value)] = customer.items()
    if name not in CUSTOMER_KINDS or not isinstance(value, str):
        raise ValueError(f"customer must be one text of {', '.join(CUSTOMER_KINDS)}")
    return alias_of(CUSTOMER_KINDS[name], value, pepper)
