"""Resolve a handle of a model on Kaggle with Kaggle's client."""

from __future__ import annotations

from hubcheck.remote.clients.confined import confined


def resolve(handle: str) -> object:
    """Return the folder of the downloaded model."""
    import kagglehub

    return kagglehub.model_download(handle)


if __name__ == "__main__":
    confined(resolve)
