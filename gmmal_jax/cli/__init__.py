"""The command line: one module a verb or what it shows."""
