"""Plans: what can be called in a module, which calls answer what the rules ask, and the steps that a worker runs."""
