"""The package has tests of its own, which need it to be installed."""

collect_ignore = ["gmmal_tiny"]
