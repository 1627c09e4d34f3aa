"""A dataset folder's card, and its way to the Hub."""
