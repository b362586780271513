"""fix: make a conforming module of one that does not conform, by what its findings ask for.

`fix` plans by `hubcheck.checks.fixing`, rebuilds the module by `sources` and `writers`, and writes it only if `proof`
has shown that both modules compute the same.
"""
