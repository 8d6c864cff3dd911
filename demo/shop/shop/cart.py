"""A cart, and the receipt for what is in it."""

from dataclasses import dataclass, field
from typing import Any, Dict, List

from shop.pricing import with_vat


@dataclass
class Item:
    name: str
    cents: int
    quantity: int = 1


@dataclass
class Cart:
    items: List[Item] = field(default_factory=list)

    def add(self, name: str, cents: int, quantity: int = 1) -> None:
        if quantity < 1:
            raise ValueError(f"cannot add {quantity} of {name}")
        self.items.append(Item(name, cents, quantity))

    def total(self) -> int:
        return sum(item.cents * item.quantity for item in self.items)

    def receipt(self) -> str:
        lines = [f"{item.name} x{item.quantity}" for item in self.items]
        lines.append(f"total {self.total() / 100:.2f}")
        return "\n".join(lines)

    def summary(self) -> Dict[str, Any]:
        return {
            "items": len(self.items),
            "net": self.total(),
            "gross": with_vat(self.total()),
            "currency": "EUR",
        }
