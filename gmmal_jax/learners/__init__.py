"""How the networks of one cycle are trained; one file a recipe."""
