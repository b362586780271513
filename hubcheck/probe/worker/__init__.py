"""The worker's side: the server that forks workers, and what a worker does with its module."""
