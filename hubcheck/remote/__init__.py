"""Modules at URIs: find them on their servers, download what is needed into a private folder, cache it by content.

    sources.py           the entry points, for paths and URIs alike: find_sources, open_source, hubcheck.read
    fetch_options.py     the options of all of them: limits and download cache
    remote_folder.py     the requests a server must answer; http.py and storage.py (fsspec) implement them
    requests.py          chooses the implementation, repeats what may succeed later, lists folders
    search.py            the modules at or below a URI
    open_remote.py       the Module at a URI; download_module.py downloads its files
    open_archives.py     an archive that is fetched once for all modules in it
    download_session.py  one file or byte range from a server; download_cache.py keeps it
    handles.py           handles of TF Hub and Kaggle, which their own clients (clients/) resolve

Imports config and everything below it in tests/layers.py; only sources.py is imported where no URI is given. Names and
sizes from servers are untrusted, as those in archives are.
"""
