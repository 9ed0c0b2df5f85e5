"""Scale in the online-offline gap: policies of other sizes (E12), and preference models of other sizes (E14)."""

from flows.matched import policy_prompts
from flows.preference.matched import Matched, with_reference
from flows.preference.online import Series, train_online
from flows.studies.online_offline_gap_arms import Proxy, fit_proxy, online_arm, train_offline
from flows.studies.online_offline_gap_config import GapConfig
from flows.studies.sizes import ModelSize, share_at_size


def sized_config(config: GapConfig, size: ModelSize) -> GapConfig:
    """The study with the policy replaced."""
    return config.model_copy(update={"model": size.model})


def train_size(config: GapConfig, size: ModelSize, shared: Matched, proxy: Proxy) -> tuple[Matched, dict[str, Series]]:
    """E12: online and offline at another policy size, on the same fixed pairs, prompts and proxy labeller."""
    sized = sized_config(config, size)
    matched = with_reference(sized, share_at_size(config, shared, size))
    name = f"online-{size.name}"
    online = train_online(sized, matched, policy_prompts(config, shared), name, online_arm(sized, config.ipo, proxy))
    offline = train_offline(sized, matched, f"offline-{size.name}", matched.pairs, config.sweep)
    return matched, {name: online.series} | offline


def train_with_proxy_of(config: GapConfig, size: ModelSize, shared: Matched) -> dict[str, Series]:
    """E14: online with a preference model that grew from the SFT model of another size; the policy stays as it is."""
    proxy = fit_proxy(config, shared, share_at_size(config, shared, size).sft)
    name = f"online-proxy-{size.name}"
    online = train_online(config, shared, policy_prompts(config, shared), name, online_arm(config, config.ipo, proxy))
    return {name: online.series}
