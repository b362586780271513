"""Modules on servers: found, fetched as far as they are looked at, kept by content, laid out in a private folder.

    source.py         what can be asked of a server: http.py for HTTP, storage.py for whatever else fsspec knows
    retrying.py       what may go well when it is tried again
    search.py         a URI to the modules at or below it; walk.py: folders; peeking.py: which archives are modules
    layout.py         which files of a module are fetched, and into which folder; transfer.py: one file of them
    store.py          what was fetched, kept by content in the user's cache
    opening.py        a URI to a Module
    handles.py        handles of TF Hub and Kaggle, which their own clients (clients/) resolve

Nothing here is imported unless there is a URI. Names and sizes come from strangers, as those in archives do.
"""
