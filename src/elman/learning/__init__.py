"""From a file to a model: what `elman train` does, step by step.

`looking` finds out what the data are, `choosing` a network and its settings, `network` builds it,
`fitting` splits and trains, `judging` scores, `telling` says it all.
"""
