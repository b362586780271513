"""hubcheck's side of a run: jobs, their distribution to workers, and what comes back."""
