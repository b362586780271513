"""Resolves a handle of a model on Kaggle with Kaggle's client."""

from __future__ import annotations

from hubcheck.remote.clients.confined import confined


def resolve(handle: str) -> object:
    """The folder in which the model lies now."""
    import kagglehub

    return kagglehub.model_download(handle)


if __name__ == "__main__":
    confined(resolve)
