import os
import sys

import pytest

from shop.cart import Cart
from shop.payment import Gateway


def test_order_is_stored(database, cart: Cart) -> None:
    database.store(cart)


@pytest.mark.skipif(
    sys.platform != "win32", reason="the receipt printer has a driver for Windows only"
)
def test_receipt_is_printed(cart: Cart) -> None:
    assert cart.receipt()


def test_payment_is_confirmed(cart: Cart) -> None:
    # The demo sets SHOP_RUN: the gateway is busy the first time, as gateways are.
    gateway = Gateway(busy=os.environ.get("SHOP_RUN") == "1")
    assert gateway.pay(cart.total()) == "confirmed 1900"
