"""The conventions that a module can be held to, by their names on the command line."""

from __future__ import annotations

from typing import Literal, get_args

Convention = Literal["common-signatures", "saved-model-api"]
"""What consumers call of a module.

common-signatures: the signatures that "Common Signatures for Images" names. saved-model-api: the callable of a TF2
SavedModel, as in TF Hub's "Common SavedModel APIs for Image Tasks"; signatures are the publisher's own business.
"""

CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
DEFAULT_CONVENTION: Convention = "common-signatures"
