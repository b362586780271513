"""Models of other libraries, made into modules by hubcheck.author: `make exporters`.

`keras_models` and `other_models` have the models, `measure` observes one, `results.json` is what the last run found.
"""
