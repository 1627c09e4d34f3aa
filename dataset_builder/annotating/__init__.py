"""Pictures that exist already, labelled into a dataset as a build makes one.

1. `plan`: which pictures there are, and what each may show: by a `table`, or every class
2. `sampler`: in place of what draws: the pictures of a batch read, captioned and labelled
3. `captioner`: what a model writes of a picture; `wording`: the prompt and the classes that this makes
4. `by_attention`, `by_segmenter`, `by_sam`: who labels

All else is a build's own: shards, resuming, refinement, engines, card.
"""
