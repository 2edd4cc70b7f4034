"""Architectures in one line: `100 > embedding(15000,32) > lstm(16) > dense(1,sigmoid)`.

    line     = [input ">"] layer {">" layer}
    input    = length | length "x" features       100, 60x1, ?x3: `?` or `*` where unknown
    layer    = word ["(" argument {"," argument} ")"]
    argument = number | word | layer | option "=" value

A layer's word is its class in lower case, `rnn` is `simple_rnn`, `bi` is `bidirectional`. Numbers
and layers without a name are the options that have no default, in their order: `lstm(16)`,
`embedding(15000,32)`, `bi(gru(8))`. Single words are activations (`relu`) or one of these:

    seq      return_sequences=true, needed below another recurrent layer
    mask     mask_zero=true, for an embedding whose token 0 is padding
    back     go_backwards=true
    nobias   use_bias=false

Every other option is written out: `dropout=0.2`, `reset_after=false`, `name="my layer"`.
"""

from elman.spec.parsing import parse
from elman.spec.writing import write

__all__ = ["parse", "write"]
