"""Scale in the online-offline gap: policies of other sizes (E12), and preference models of other sizes (E14)."""

from flows.matched import Shared, policy_prompts
from flows.matched import share_inputs as share_data
from flows.preference.matched import Matched, with_reference
from flows.preference.online import train_online
from flows.studies.online_offline_gap_arms import Proxy, Study, fit_proxy, online_arm, train_offline
from flows.studies.online_offline_gap_config import GapConfig


def sized_config(config: GapConfig, size: str) -> GapConfig:
    """The study with the policy's shape replaced."""
    shape = config.sizes[size]
    return config.model_copy(update={"model": config.model.model_copy(update={"scratch": shape})})


def share_sized(config: GapConfig, size: str) -> list[Shared]:
    """Base and SFT model of another size, seed by seed."""
    return share_data(sized_config(config, size))


def train_size(config: GapConfig, size: str, shared: Matched, own: Shared, proxy: Proxy) -> tuple[Matched, Study]:
    """E12: online and offline at another policy size, on the same fixed pairs, prompts and proxy labeller."""
    sized = sized_config(config, size)
    same_data = Shared(own.seed, own.sft, shared.pairs, shared.held_out, shared.evaluation, own.demonstrations)
    matched = with_reference(sized, same_data)
    name = f"online-{size}"
    online = train_online(sized, matched, policy_prompts(config, shared), name, online_arm(sized, config.ipo, proxy))
    trained = {name: online.series} | train_offline(sized, matched, f"offline-{size}", shared.pairs, config.sweep)
    return matched, Study(trained, online.stream)


def train_with_proxy_of(config: GapConfig, size: str, shared: Matched, own: Shared) -> Study:
    """E14: online with a preference model that grew from the SFT model of another size; the policy stays as it is."""
    proxy = fit_proxy(config, shared, own.sft)
    name = f"online-proxy-{size}"
    online = train_online(config, shared, policy_prompts(config, shared), name, online_arm(config, config.ipo, proxy))
    return Study({name: online.series}, online.stream)
