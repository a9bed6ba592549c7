"""A person's own pool: what to label next, when nobody knows the answers yet."""
