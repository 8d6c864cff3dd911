import pytest

from shop.cart import Cart


def test_an_empty_cart_costs_nothing() -> None:
    assert Cart().total() == 0


def test_quantities_count(cart: Cart) -> None:
    assert cart.total() == 1900


def test_nothing_of_something_is_refused(cart: Cart) -> None:
    with pytest.raises(ValueError, match="cannot add 0 of pot"):
        cart.add("pot", 2500, quantity=0)


def test_receipt_lists_every_item(cart: Cart) -> None:
    assert cart.receipt() == "tea x2\nmug x1\ntotal 19.00"


def test_order_summary(cart: Cart) -> None:
    print("cart:", cart.receipt().replace("\n", "; "))
    assert cart.summary() == {"items": 2, "net": 1900, "gross": 2261, "currency": "USD"}
