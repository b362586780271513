"""A graph for people to read: the nodes between images and outputs, collapsed by name scope."""
