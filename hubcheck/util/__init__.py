"""Helpers that know nothing of modules: text, files, locks, numbers, errors. May import nothing else of hubcheck."""
