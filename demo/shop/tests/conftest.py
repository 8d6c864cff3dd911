import pytest

from shop.cart import Cart


@pytest.fixture
def cart() -> Cart:
    cart = Cart()
    cart.add("tea", 350, quantity=2)
    cart.add("cup", 1200)
    return cart


@pytest.fixture
def database():
    raise ConnectionError("cannot reach orders.db.internal:5432 (is the test database up?)")
