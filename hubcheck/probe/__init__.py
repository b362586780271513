"""Run modules in isolated worker processes and return what was observed, for the probe checks to judge.

`pool.Pool` runs modules, `observations` holds what it returns, `replay` and `evidence` repeat and save calls. `plan`
decides what to call, `dispatch` is hubcheck's side of the workers, `worker` theirs, `wire` the protocol in between.
Only `worker` imports TensorFlow. The package may import `sandbox`, `rulebook`, `module` and `util`.
"""
