"""What a number is a measurement of: two scores may be compared only where all of this agrees."""

import hashlib
import json

from pydantic import Field

from tasks.engine.schema import Frozen, UserError


class Conventions(Frozen):
    """What a suite itself fixes about its numbers."""

    suite: str
    version: str = Field(description="Version of the benchmark and of its scoring")
    split: str = Field(description="Which questions: a split, or the first n of it")
    template_digest: str = Field("", description="Digest of the prompt and judge templates")
    aggregation: str = Field(description="How per-prompt values become the number")
    tie_rule: str = Field("", description="What a tie or an invalid verdict counts as")


class ScoreIdentity(Conventions):
    """A suite's conventions with the questions, the judge and the decoding of one evaluation."""

    questions_digest: str = Field(description="Digest of the suite's files")
    judge: str = Field("none", description="Who judged")
    judge_version: str = Field("", description="Which version of the judge")
    reference: str = Field("", description="Digest of the policy that rewards are log-ratios to, where they are")
    decoding: str = Field("", description="How responses were drawn: temperature, top-p, longest response; or as given")

    def key(self) -> str:
        """Sixteen hexadecimal digits that are equal exactly when every field is."""
        return digest_of(self.model_dump(mode="json"))


def digest_of(value: object) -> str:
    """Sixteen hexadecimal digits of a JSON value's SHA-256."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def differences(one: ScoreIdentity, other: ScoreIdentity) -> dict[str, tuple[str, str]]:
    """The fields in which two identities differ, with both values; empty if their numbers may be compared."""
    return {
        name: (getattr(one, name), getattr(other, name))
        for name in ScoreIdentity.model_fields
        if getattr(one, name) != getattr(other, name)
    }


def require_comparable(one: ScoreIdentity, other: ScoreIdentity) -> None:
    """Raises UserError naming every field that differs, if two numbers must not be compared."""
    found = differences(one, other)
    if found:
        what = "; ".join(f"{name}: {mine!r} and {theirs!r}" for name, (mine, theirs) in found.items())
        raise UserError(f"scores of '{one.suite}' are not comparable: {what}; evaluate both in the same way")
