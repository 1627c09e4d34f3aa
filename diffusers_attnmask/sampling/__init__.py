"""Pictures of one prompt with their masks, as files."""
