"""Steps that turn class maps into masks worth training on."""
