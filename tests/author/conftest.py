"""Fixtures for tests of authoring."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest


@pytest.fixture(params=["keras", "tf_keras"])
def keras(request: pytest.FixtureRequest) -> ModuleType:
    """Keras 3, then Keras 2."""
    return importlib.import_module(request.param)
