"""What `hubcheck fix` can make of a module, decided from its files: the plan, and the findings that it fixes."""
