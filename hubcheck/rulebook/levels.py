"""Levels of rules and findings, most severe first."""

from __future__ import annotations

from typing import Literal

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
