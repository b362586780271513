"""A program that calls the client of a hub: `python -m hubcheck.remote.clients CLIENT HANDLE MAX_BYTES FOLDER...`."""
