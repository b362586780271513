"""Programs that call the clients of hubs, each run in a process of its own: `python -m PROGRAM HANDLE BYTES FOLDER...`.

A file that they write has so many bytes at most, and lies in one of the folders. They print JSON, {"folder": where the
module is}, as their last line; what goes wrong is the last line of the standard error.
"""
