"""Annotations for a recipe's numbers: their allowed ranges."""

import math
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends included."""

    low: float = 0
    high: float = math.inf

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"from {self.low:g} on" if self.high == math.inf else f"from {self.low:g} to {self.high:g}"


Count = Annotated[int, Range()]
Positive = Annotated[int, Range(1)]
Amount = Annotated[float, Range()]
Share = Annotated[float, Range(0, 1)]
