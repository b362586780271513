"""Many modules: checked by processes of this machine (`local`) or by a Dask cluster (`cluster`).

Both leave the checking to `helpers`: processes that check one module after the other, and may die of one.
"""
