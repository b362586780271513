"""Make an ImageModule of an existing model: a Keras model, a SavedModel, or a file of either."""
