"""The command line: one command per file, imported when it is called.

Imports everything but the pytest plugin.
"""
