"""A dataset as one page that explains itself."""
