"""Evaluate rules on a module, and report the outcomes and findings.

`evaluation.evaluate` runs the checks on a module's facts and observations, `halves.combine` is the table of the two
halves of a rule, `reports` holds the results of a run. Knows no rule by name. Imports checks, probe, rulebook, graph,
module and util.
"""
