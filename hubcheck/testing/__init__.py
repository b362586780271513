"""The pytest plugin, and Hypothesis strategies for tests of modules.

Imports run/ and everything below it.
"""
