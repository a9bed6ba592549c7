"""Reg and DA where the paper has them: 1,000 labels, 200 epochs, one cycle."""
