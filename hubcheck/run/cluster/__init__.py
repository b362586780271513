"""Checks by a Dask cluster: `--cluster tcp://host:port`, or `--cluster local` for Dask workers of this machine."""
