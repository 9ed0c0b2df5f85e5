"""What learning from single rewarded responses (A-LoL) logs and is measured by."""

from tasks.evaluation.metrics.metric import Metric, share

METRICS = {
    "train/rewards/mean": Metric("Reward of the batch's given responses", "mean R(x, y)", "reward units", "neither"),
    "train/log_ratio/response": Metric(
        "How far the given responses' likelihood has moved", "log pi(y|x) - log pi_ref(y|x)", "nats", "neither"
    ),
    "train/ratio_clip_fraction": share(
        "Importance ratios that the clip changes", "1[rho outside 1 - eps to 1 + eps]", "lower"
    ),
    "data/responses": Metric("Responses of a corpus", "rows", "responses", "neither", 0.0),
    "data/positive_advantages": share("Responses better than their prompt promised", "1[R(x, y) > V_ref(x)]"),
    "data/positive_advantages_of_good": share(
        "Of those by good writers (or chosen in a pair) the ones better than promised", "1[R(x, y) > V_ref(x)]"
    ),
    "data/mean_reward": Metric("Reward of a corpus", "mean R(x, y)", "reward units", "neither", 0.0, 1.0),
    "data/mean_value": Metric("Value of a corpus's prompts", "mean V_ref(x)", "reward units", "neither", 0.0, 1.0),
    "data/drawn_share": share("Responses that a run can draw", "1[chance > 0]", "neither"),
    "data/steps": Metric("Optimiser steps of a run", "budget x drawn share", "steps", "neither", 0.0),
    "value/reward": Metric(
        "Reward of the greedy responses that a value is fitted to", "mean R", "reward units", "neither"
    ),
    "value/epoch": Metric("Epoch whose value is kept", "argmin of the squared error", "epochs", "neither", 0.0),
    "validation/bounded_reward": share("Reward of a checkpoint on validation prompts", "mean R, decoded greedily"),
    "validation/chosen_step": Metric(
        "Step of the checkpoint that is kept", "argmax of the above", "steps", "neither", 0.0
    ),
    "bounded_reward": share("Reward on its scale from 0 to 1", "R(x, y), y ~ pi(.|x)"),
    **{
        f"corpus_distinct_{n}": share(
            f"Distinct {n}-grams among the responses to all prompts",
            f"mean over the {n}-grams of y of 1 / times it is said in all responses",
        )
        for n in (1, 2, 3)
    },
}
