"""A program that calls the client of a hub: `python -m hubcheck.remote.clients HUB HANDLE MAX_BYTES FOLDER...`."""
