"""Online-offline gap (arXiv 2405.08448): the flow."""

from dataclasses import replace

from prefect import flow

from dashboards.gap_figures import trade_off
from flows.matched import Shared, policy_prompts, share_inputs
from flows.paper import Paper
from flows.preference.matched import Matched, with_reference
from flows.report import Extras, Report, publish
from flows.studies.online_offline_gap_arms import GOLDEN, Proxy, finals, fit_proxy, train_arms
from flows.studies.online_offline_gap_claims import ARMS, claims_of
from flows.studies.online_offline_gap_config import GapConfig
from flows.studies.online_offline_gap_measures import (
    GOLD,
    WIN_RATE,
    measure_arms,
    measure_start,
    measure_trained,
    suites_of,
    with_wins_over_golden,
)
from flows.studies.online_offline_gap_sizes import sized_config, train_size, train_with_proxy_of
from tasks.data.shift_stages import leave_out_ties
from tasks.engine.schema import UserError
from tasks.engine.session import arm, paper_run
from tasks.evaluation.collecting import Pending, collect


@flow(name="online_offline_gap", flow_run_name="online_offline_gap-{config.scale}")
def online_offline_gap(config: GapConfig = GapConfig()) -> Report:
    """Understanding the performance gap between online and offline alignment algorithms (arXiv 2405.08448).

    One loss, one SFT model, one set of labelled pairs; only where the pairs that are learned from come from differs.
    Every part can be run alone; online, golden baseline and offline arms are what all parts are compared with. Of
    responses that are equal, or of equal true reward, nothing is learned: offline batches are filled with other pairs,
    online ones are as much smaller.
    Raises UserError before any training if real pairs are given.
    """
    if config.data.path:
        raise UserError(
            "data.path: the study judges with a golden preference for any response, which real pairs do not have; run "
            "it in the tiny world"
        )
    tags = {"family": "studies", "scale": config.scale, "scenario": config.world.family}
    with paper_run("online_offline_gap", config, tags, f"online_offline_gap-{config.scale}") as session:
        shared = [with_reference(config, without_ties(one)) for one in share_inputs(config)]
        proxies = [fit_proxy(config, one) for one in shared]
        pending = [
            scores for one, proxy in zip(shared, proxies, strict=True) for scores in compare_arms(config, one, proxy)
        ]
        pending += compare_sizes(config, shared, proxies)
        collected = with_wins_over_golden(collect("online_offline_gap", pending))
        panels = {WIN_RATE: "win rate against the golden baseline", "gold_reward": "true reward"}
        curves = ["online", GOLDEN, *finals("offline", config)]
        extras = Extras(figures=[trade_off(collected.scores, GOLD, panels, curves)])
        suites = [*suites_of(config), *config.benchmarks.suites]
        return publish(session, collected, claims_of(config), suites, extras)


def without_ties(shared: Shared) -> Shared:
    """Only fixed pairs that the golden preference orders: online leaves the others out too."""
    with arm("pairs", shared.seed):
        return replace(shared, pairs=leave_out_ties.submit(shared.pairs))


def compare_arms(config: GapConfig, shared: Matched, proxy: Proxy) -> list[Pending]:
    """Train and measure every arm of one seed at the policy's own size."""
    return measure_arms(config, shared, train_arms(config, shared, policy_prompts(config, shared), proxy))


def compare_sizes(config: GapConfig, shared: list[Matched], proxies: list[Proxy]) -> list[Pending]:
    """E12 and E14 at every further size; a model of another size needs a base and an SFT model of its own."""
    pending: list[Pending] = []
    for size in config.sizes if {"E12", "E14"} & set(config.parts) else ():
        for one, proxy in zip(shared, proxies, strict=True):
            if "E12" in config.parts:
                matched, trained = train_size(config, size, one, proxy)
                pending += measure_start(sized_config(config, size), matched, size)
                for name, series in trained.items():
                    pending += measure_trained(sized_config(config, size), matched, name, series, size)
            if "E14" in config.parts:
                for name, series in train_with_proxy_of(config, size, one).items():
                    pending += measure_trained(config, one, name, series)
    return pending


PAPER = Paper(
    key="online_offline_gap",
    title="Understanding the performance gap between online and offline alignment algorithms",
    arxiv="2405.08448",
    family="studies",
    summary=(
        "With one loss, one SFT model and one set of labelled pairs, does it matter whether pairs are sampled from the "
        "policy as it is trained? Fourteen experiments take the gap apart: coverage, order, quality of data, "
        "classification, loss and scale."
    ),
    flow="flows.studies.online_offline_gap:online_offline_gap",
    config=GapConfig,
    arms=ARMS,
    claims=claims_of(GapConfig()),
    minutes={"smoke": 1.0, "laptop": 40.0, "gpu": 2400.0},
)
