"""Trace a module's functions and write them as a TF2 SavedModel or in TF1 Hub format; imports TensorFlow."""
