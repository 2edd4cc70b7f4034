"""From a file to a model: what `elman train` does, step by step.

`looking` finds out what the data are, `choosing` a network and its settings, `network` builds it,
`fitting` splits and trains, `judging` scores, `telling` says it all.

And from a model to answers, what `elman predict` and `elman evaluate` do: `asking` has their steps,
`reading` reads new data as the model's file says, `answering` says what the model says and
`writing` writes it down, `evaluating` compares it with what is true.
"""
