"""Every method on digits, balanced and imbalanced, by one recipe."""
