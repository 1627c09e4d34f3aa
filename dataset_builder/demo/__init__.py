"""The whole way once, offline, with the bundled model and the tiny world that it was trained on."""
