"""What can be known of a GraphDef without running it and without TensorFlow.

The packages, each of which may import those above it in this list, and from outside only hubcheck.module and
hubcheck.util:

- op_tables: what TensorFlow's own ops are.
- dataflow: a graph's bodies, calls, inlining, constants, what values depend on, what can run.
- the analyses, none of which imports another: activations (does an output end in one), devices (the device path),
  dropout (masks on an output), outline (a graph for people to read), nondeterminism (random values that a run needs),
  path_origin (who chooses a file's path), same_function (two tensors that are equal), value_scale (the range in which
  pixels reach the first layer).
"""
