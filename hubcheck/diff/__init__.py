"""A new version of a module against the old one: what changes for the consumers of the old one.

    changes.py      the result: Change, Agreement, Diff
    compare.py      the declared facts of both versions
    values.py       the values of both versions for the same images (needs TensorFlow)

Imports checks and everything below it in tests/layers.py.
"""
