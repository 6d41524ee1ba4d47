"""The route `POST /hooks/{source}`. Knows HTTP, and which function of which provider comes when; decides nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import answer, error
from services.ingest.bodies import read_body
from services.ingest.declarations import Declarations
from services.ingest.hooks import generic, shopify, woocommerce, youzan
from services.ingest.hooks.delivery import LIMITS, Delivery, Provider, Receipt, SignatureRefusedError
from services.ingest.hooks.repeats import Repeats
from services.ingest.hooks.sources import Generic, HookSources, Shopify, Woocommerce, Youzan
from services.ingest.hooks.taker import Taker
from services.ingest.intake import Intake
from shared.log import Log

PROVIDERS: Final[Mapping[type[Any], Provider]] = {
    Youzan: youzan.PROVIDER,
    Generic: generic.PROVIDER,
    Shopify: shopify.PROVIDER,
    Woocommerce: woocommerce.PROVIDER,
}


def routes(intake: Intake, sources: HookSources, declarations: Declarations, *, now_ms: Callable[[], int]) -> APIRouter:
    """The webhooks' one route."""
    router = APIRouter()
    hook = _hook(Taker(intake, declarations), sources, now_ms)
    router.add_api_route("/hooks/{source}", hook, methods=["POST"])
    return router


def _hook(taker: Taker, sources: HookSources, now_ms: Callable[[], int]) -> Callable[[Request], Awaitable[Response]]:
    repeats, log = Repeats(), Log("ingest")

    async def hook(request: Request) -> Response:
        source = sources.find(request.path_params["source"])
        if source is None:
            return error(404, "unknown_source", "no such source is configured")
        provider = PROVIDERS[type(source)]
        delivery = Delivery(dict(request.headers), await read_body(request, LIMITS.body))
        if provider.ping(delivery):
            return answer(200, provider.answer(Receipt(ignored="a test call")))
        try:
            provider.verify(delivery, source, now_ms())
        except SignatureRefusedError as refusal:
            log.warning("hook-refused", source=source.name, reason=str(refusal))
            return error(401, "bad_signature", str(refusal))
        key = provider.repeat_key(delivery)
        if key and repeats.known(source.name, key, delivery.raw):
            return answer(200, provider.answer(Receipt(repeated=True)))
        receipt = await taker.take(provider, delivery, source)
        if key:
            repeats.take(source.name, key, delivery.raw)
        return answer(200, provider.answer(receipt))

    return hook
