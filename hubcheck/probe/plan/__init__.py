"""The plan of a probe: what can be called in a module, and which calls a worker makes."""
