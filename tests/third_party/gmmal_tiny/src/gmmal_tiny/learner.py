"""Cross-entropy, and a column that tells how sure the classifier is."""

import jax

from gmmal_jax.phases import task


def make(network, train):
    base = task.make(network, (), train)

    def readout(state, images):
        columns = base.readout(state, images)
        return columns | {"confidence": jax.nn.softmax(columns["logits"]).max(axis=1)}

    return base._replace(gives=base.gives | {"confidence"}, readout=readout)
