"""Facts about a module, read from its files without TensorFlow: folders, archives, protos, checkpoint indexes.

`open_module` is the way in, `types.Module` is what it yields. All files are treated as hostile: what is read is bounded
by `limits.ReadLimits`. May import `hubcheck.util`.
"""
