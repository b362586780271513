"""What differs between the TensorFlow releases that hubcheck works with: the one place that knows.

A difference is told by looking at the thing itself, not by a version number: nightlies, vendors' builds and backports
number themselves as they like. `make test-matrix` runs hubcheck on the oldest release and on the newest.

| release | what | here |
|---|---|---|
| after 2.16 | a SavedModel's fingerprint has a random id | `settle_fingerprint` |
"""

from __future__ import annotations

import uuid
from typing import Any


def settle_fingerprint(fingerprint: Any) -> None:
    """Put an id that follows from the module in the place of a random one: the same module gives the same bytes.

    Args:
        fingerprint: a FingerprintDef; without an id (TensorFlow 2.16) it follows from the module as it is.
    """
    if "uuid" not in fingerprint.DESCRIPTOR.fields_by_name:
        return
    fingerprint.uuid = ""
    fingerprint.uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, fingerprint.SerializeToString(deterministic=True).hex()))
