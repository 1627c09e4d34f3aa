"""From a pipeline call to masks: traces, the DiffuMask pipeline, masks of existing images, learned tokens."""
