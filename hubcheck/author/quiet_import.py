"""Import TensorFlow without the lines that its libraries write meanwhile, which no setting of its log level stops."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile

from hubcheck.util.errors import UserError, without_tensorflow
from hubcheck.util.walk import gc_paused


def import_tensorflow(command: str) -> None:
    """Import TensorFlow and look for devices; print what is written to stderr only if it fails.

    Raises:
        UserError: it is not installed, and a command needs it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(without_tensorflow(command))
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            with gc_paused():
                import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            os.dup2(stderr, 2)
            log.seek(0)
            shutil.copyfileobj(log, sys.stderr.buffer)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
