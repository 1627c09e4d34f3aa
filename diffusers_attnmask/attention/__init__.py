"""What the attention layers compare, heard as they do it, and the running means that are kept of it."""
