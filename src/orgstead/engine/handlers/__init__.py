"""What messages do: a module per family."""
