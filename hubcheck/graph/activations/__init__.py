"""Whether an output ends in a softmax, a log-softmax or a sigmoid.

Imports hubcheck.graph.dataflow and hubcheck.graph.op_tables.
"""
