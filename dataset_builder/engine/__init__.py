"""One engine for every stage: what it does to pairs, spread over processes of this machine or over a cluster.

1. `options`: where a stage runs, which changes no byte
2. `workers`: how a stage is given to whoever does it: this process, a `pool` of others, whose large
   `tables` come in files, or a `cluster`
3. `spans`: the pairs of a stage, some at a time
4. `kept_parts`: what the workers found, on the disk until the stage is complete

Workers compute, and this process alone writes: a worker that dies leaves nothing half done, and a cluster
needs no disk that all of it can write to.
"""
