"""The checks that rules name: plain functions of facts and observations, without I/O.

A static check takes a `Context`, a probe check a `Context` and `Observations`, and both the `params` of the rule. They
yield `faults.CheckItem`. Imports rulebook, graph, module, util, and `probe.observations`.
"""
