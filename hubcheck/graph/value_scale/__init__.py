"""The range in which pixels reach the first layer: constants and small variables on the way.

Imports hubcheck.graph.dataflow, hubcheck.graph.op_tables and hubcheck.module.
"""
