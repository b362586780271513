"""Scripts that call the clients of hubs, each run in a process of its own: `python SCRIPT HANDLE BYTES`.

They print JSON, {"folder": where the module is}, as their last line; what goes wrong is the last line of the standard
error.
"""
