"""A small shop: prices, a cart, orders and payments."""
