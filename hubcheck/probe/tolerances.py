"""How much results may differ and still count as equal, as shares of the largest value of the output.

They are relative because the outputs of an untrained network can be 1e-11. CPUs run without oneDNN and without graph
optimization, and GPUs without TF32.
"""

from __future__ import annotations

SAME_ANSWER = 1e-4
"""The same call twice: the order in which threads add up changes the last digits, about 1e-7."""

SAME_ROW = 5e-4
"""One image in two batches: kernels differ with the batch size; in deep networks that adds up to about 1e-5."""

SAME_FUNCTION = 1e-3
"""Two signatures: folding a batch normalisation into the weights moves values by about 1e-5."""

SAME_LOADER = 1e-3
"""The object loader and the session loader: they run the same graph, optimized in another way, about 1e-6."""

SAME_DEVICE = 1e-3
"""A CPU and a GPU: kernels add up in another order, about 1e-5 in deep networks."""

SIXTEEN_BITS = 2e-2
"""All of these but the first, where a module computes in bfloat16 or float16."""

SAME_FEATURE = 1e-5
"""A feature that changes by less than this share of its own largest value does not distinguish images."""

MASKED_VALUE = 1e-4
"""What a dropout mask lets pass is one value, up to the order in which threads add up."""
