"""Frozen features: which recipe, which first choice; on validation data."""
