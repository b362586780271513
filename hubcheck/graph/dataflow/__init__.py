"""How values flow through a graph: bodies, calls, inlining, constants, dependence on the images, reachability.

Imports hubcheck.graph.op_tables, hubcheck.module and hubcheck.util, and none of the analyses.
"""
