"""Affinities between pixels: confident labels, the network that learns them, and the walk along them."""
