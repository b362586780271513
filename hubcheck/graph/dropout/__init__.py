"""Whether a dropout mask reaches an output, and the rate and layer of the mask.

Imports hubcheck.graph.dataflow and hubcheck.graph.op_tables.
"""
