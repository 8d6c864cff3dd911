"""What things cost. All amounts are in cents."""

from typing import Dict

DISCOUNTS: Dict[str, int] = {"none": 0, "student": 10, "summer": 25, "staff": 50}
VAT_PERCENT = 20


def discounted(cents: int, discount: str) -> int:
    """The price after a discount, rounded down to whole cents."""
    if cents < 0:
        raise ValueError(f"a price cannot be negative: {cents}")
    return cents * (100 - DISCOUNTS[discount]) // 100


def with_vat(cents: int) -> int:
    """The price with value added tax, rounded to the nearest cent."""
    return cents + (cents * VAT_PERCENT + 50) // 100
