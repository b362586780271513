"""The nodes that a GPU should run, the attributes that decide their kernels, and where nodes ask to be placed."""
