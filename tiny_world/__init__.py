"""A procedural world of small scenes with exact masks."""
