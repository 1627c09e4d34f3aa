"""How a segmenter is trained: options, batches, losses, the loop, checkpoints."""
