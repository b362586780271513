"""Resolve a handle of a model on Kaggle with Kaggle's client."""

from __future__ import annotations

import json
import resource
import sys


def main() -> None:
    """Resolve the first argument."""
    handle, largest = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    import kagglehub

    try:
        folder = kagglehub.model_download(handle)
    except Exception as error:
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
    print(json.dumps({"folder": str(folder)}))


if __name__ == "__main__":
    main()
