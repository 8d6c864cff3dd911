"""Payments, confirmed by a gateway that is busy now and then."""

import logging

log = logging.getLogger(__name__)


class GatewayBusy(Exception):
    """The gateway asks to come back later."""


class Gateway:
    def __init__(self, busy: bool) -> None:
        self.busy = busy

    def pay(self, cents: int) -> str:
        log.info("paying %d cents", cents)
        if self.busy:
            log.warning("the gateway answered 503")
            raise GatewayBusy("503 Service Unavailable, retry after 2 s")
        return f"confirmed {cents}"
