"""Encoders trained by others: pictures to rows of features, without JAX."""
