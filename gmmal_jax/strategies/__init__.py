"""What is asked next; one file a query strategy."""
