"""Whether a dropout mask reaches an output, and the rate and layer of the mask."""
