"""The formats of modules."""

from typing import Literal

Format = Literal["tf1-hub", "tf1-saved-model", "tf2-saved-model"]
