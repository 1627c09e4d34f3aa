"""Finding the pairs whose masks are wrong, by segmenters that have not seen them."""
