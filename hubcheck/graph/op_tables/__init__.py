"""What the ops of stock TensorFlow are: definitions, and what they do to the entries of a tensor."""
