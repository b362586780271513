"""Paths to reports: options, the checks of one process, of several processes and of a Dask cluster, and the cache.

Imports the engine and everything below it, the configuration, remote modules, and report details.
"""
