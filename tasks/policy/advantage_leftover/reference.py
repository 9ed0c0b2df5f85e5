"""The reference to a fitted value, apart from what fits it so that naming it imports nothing heavy."""

from typing import Literal

from tasks.engine.refs import Ref


class SequenceValue(Ref):
    """The value head of one policy."""

    kind: Literal["sequence_value"] = "sequence_value"
