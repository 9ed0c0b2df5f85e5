"""A run of two arms, one of which has a broken reward model: the other goes on."""

import math

from prefect import flow
from reinforced import MODEL, SHORT, reward_model

from tasks.engine.refs import RewardRef
from tasks.engine.session import arm, paper_run
from tasks.engine.spool import read_events
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.reinforcement_stages import optimise_policy
from tasks.reward.sources import FittedReward


def test_an_arm_whose_reward_fails_leaves_the_other_alone(prefect_server, bench, rlhf_home):
    members = {"sound": reward_model(bench.base), "broken": reward_model(bench.base, fill=math.nan)}
    failures: dict[str, str] = {}

    @flow(name="reinforced")
    def two_arms() -> str:
        with paper_run("reinforced", SHORT, {}):
            pending = {}
            for name in ("broken", "sound"):
                with arm(name, seed=0):
                    pending[name] = submitted(members[name])
            for name, future in pending.items():
                future.wait()
                if not future.state.is_completed():
                    failures[name] = future.state.message
            return pending["sound"].result().final.digest

    def submitted(member: RewardRef):
        return optimise_policy.submit(
            bench.base, bench.base, bench.prompts, FittedReward(), [member], [], PolicyGradient(), SHORT, MODEL, 0
        )

    digest = two_arms()
    assert digest == bench.run(PolicyGradient(), source=FittedReward(), fitted=[members["sound"]]).series.final.digest
    assert failures.keys() == {"broken"}
    found = [event for spool in rlhf_home.glob("spool/*/*.jsonl") for event, _ in read_events(spool)]
    [error] = [event["values"]["error"] for event in found if "error" in event.get("values", {})]
    assert error.startswith("iteration 1: reward is nan for prompt")
    finished = sorted(event["status"] for event in found if event["event"] == "finish")
    assert finished == ["FAILED"] * 2 + ["FINISHED"] * 3
