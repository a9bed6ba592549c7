"""The networks, in Flax Linen: layers, backbones and critics; no training code."""
