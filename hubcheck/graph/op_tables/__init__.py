"""What the ops of stock TensorFlow are: definitions, kernels, what they do to the entries of a tensor.

Imports hubcheck.module and hubcheck.util only.
"""
