"""Programs that call the clients of hubs, each in its own process: `python -m PROGRAM HANDLE MAX_BYTES FOLDER...`.

They write files of at most MAX_BYTES, in the FOLDERs only. The last line of their output is JSON, {"folder": PATH} of
the module; if they fail, the last line of standard error is the reason.
"""
