"""Rewards of programs by running them."""

from collections.abc import Sequence

from tasks.data.tiny_world.code import NAME, TEST_LISTS, read_task, run, write_program
from tasks.data.tiny_world.sampling import prompt_text
from tasks.engine.refs import RewardRef
from tasks.engine.schema import UserError
from tasks.evaluation.sandbox.limits import Limits
from tasks.evaluation.sandbox.programs import Program
from tasks.evaluation.sandbox.running import run_programs
from tasks.reward.gold import refuse_fitted
from tasks.reward.judged import Judged
from tasks.reward.sources import CodeTestsReward


class CodeTestsRewards:
    """A ``RewardFunction`` of one column; each distinct program runs once, however often it is asked about."""

    def __init__(self, source: CodeTestsReward, fitted: Sequence[RewardRef] = ()) -> None:
        refuse_fitted(source.kind, fitted)
        self._limits = Limits(isolation=source.isolation, wall_seconds=source.wall_seconds, packages="none")
        self._workers = source.workers
        self._known: dict[tuple[str, str], float] = {}

    def score(self, batch: Sequence[Judged]) -> dict[str, list[float]]:
        """1 for a finished program that passes, else 0.

        Raises UserError for a prompt of another family, or where no sandbox can be started.
        """
        keys = [(prompt_text(one.prompt), one.response) for one in batch]
        asked = {key: one for key, one in zip(keys, batch, strict=True) if one.finished and key not in self._known}
        if asked:
            outcomes = run_programs([program_of(one) for one in asked.values()], self._limits, self._workers)
            self._known |= {key: float(outcome.passed) for key, outcome in zip(asked, outcomes, strict=True)}
        rewards = [self._known[key] if one.finished else 0.0 for key, one in zip(keys, batch, strict=True)]
        return {"reward": rewards}


def program_of(one: Judged) -> Program:
    """The function that prompt and response make together, with the reference's values on the test lists as its test.

    Raises UserError for a prompt that the family ``code`` did not make.
    """
    if one.prompt["family"] != NAME:
        raise UserError(
            f"reward.kind code_tests rewards family {NAME}, not {one.prompt['family']}; choose another kind"
        )
    prompt = prompt_text(one.prompt)
    spec, argument = read_task(prompt)
    expected = run(write_program(spec, argument), argument)
    if expected is None:
        raise UserError(f"tiny world: the reference of {prompt!r} has no value on its test lists; ask for another")
    name = prompt.split()[1]
    checks = [f"assert {name}({list(items)!r}) == {value!r}" for items, value in zip(TEST_LISTS, expected, strict=True)]
    source = f"{prompt}\n    {one.response}\n"
    return Program(one.prompt["prompt_id"], source, "\n".join(checks), (name,))
