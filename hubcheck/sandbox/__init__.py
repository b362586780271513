"""Confine a process: `enforce(policy)` applies every layer that this machine has, and returns what is enforced and
what is missing.

Each layer (Landlock, seccomp, ...) is a file with a `Layer`; `enforce.LAYERS` lists them in the order in which they
are applied. The package knows nothing of modules or TensorFlow and imports only `hubcheck.util`.
"""
