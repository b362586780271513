"""What consumers of today do with the modules that hubcheck.author writes: `make consumers`.

`modules` writes some, `consume` uses them by other libraries, `results.json` is what the last run found.
"""
