"""Experiments: scripts that write a table each; see README.md."""
