"""The nodes that a GPU should run, the attributes that decide their kernels, and where nodes ask to be placed.

Imports hubcheck.graph.dataflow, hubcheck.graph.op_tables and hubcheck.module.
"""
