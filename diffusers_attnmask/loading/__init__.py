"""From options to a loaded pipeline with masks: the one place for recipes, commands and the app.

`options.py` says what can be asked for, `source.py` finds what a model is from its configuration alone,
`fitting.py` refuses what its family does not know, `load.py` loads the weights, and `asking.py` makes the
arguments of its calls. `flags.py` has the same options as the command line types them, and `memory.py`
counts weights that nobody loads.
"""
