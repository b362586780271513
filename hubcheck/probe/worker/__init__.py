"""The other side: the server that imports TensorFlow and forks workers, and the workers that run modules."""
