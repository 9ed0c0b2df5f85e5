import hashlib
import subprocess
import sys

import huggingface_hub
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast

from tasks.engine.schema import UserError
from tasks.models.build import build_from_scratch
from tasks.models.config import ModelConfig, ScratchModel
from tasks.models.divergence import token_kl
from tasks.models.loading import load_model, save_model
from tasks.models.log_probs import group_log_probs
from tasks.models.parts import AdaptersOff, real_vocabulary_size
from tasks.models.reference import score_groups
from tasks.models.sampling import InProcessSampler

KINDS = ["llama", "gpt2", "qwen2"]


@pytest.fixture(params=KINDS)
def folder(request, tmp_path, make_model, tokenizer):
    save_model(make_model(request.param), tokenizer, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def llama_folder(tmp_path, make_model, tokenizer):
    save_model(make_model("llama"), tokenizer, tmp_path / "model")
    return tmp_path / "model"


def digest(model):
    return hashlib.sha256(b"".join(w.detach().numpy().tobytes() for w in model.parameters())).hexdigest()


def train_a_step(model, groups, learning_rate=0.1):
    model.train()
    optimiser = torch.optim.SGD([w for w in model.parameters() if w.requires_grad], lr=learning_rate)
    sums, _ = group_log_probs(model, groups)
    (sums[:, 1] - sums[:, 0]).mean().backward()
    optimiser.step()
    model.eval()


def test_scratch_model_is_a_function_of_its_arguments(tokenizer):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    model = build_from_scratch(ScratchModel(), tokenizer, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    assert digest(model) == digest(build_from_scratch(ScratchModel(), tokenizer, seed=3))
    assert digest(model) != digest(build_from_scratch(ScratchModel(), tokenizer, seed=4))
    assert model.config.vocab_size == 24
    assert real_vocabulary_size(model) == 21
    assert model.lm_head.weight is model.model.embed_tokens.weight
    blocks = 3 * (4 * 96 * 96 + 3 * 96 * 264 + 2 * 96) + 96
    assert model.num_parameters() == 24 * 96 + blocks


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="multiple of 2 x heads"):
        ScratchModel(hidden_size=100, heads=4)


def test_saved_model_comes_back_the_same(folder, groups, tokenizer):
    model, loaded_tokenizer = load_model(folder, ModelConfig())
    again = folder.parent / "again"
    save_model(model, loaded_tokenizer, again)
    reloaded, _ = load_model(str(again), ModelConfig())
    assert score_groups(model, groups) == score_groups(reloaded, groups)
    assert real_vocabulary_size(reloaded) == len(tokenizer) == len(loaded_tokenizer)
    assert loaded_tokenizer.chat_template == tokenizer.chat_template
    assert list(again.glob("*.safetensors"))
    assert not list(again.glob("*.bin"))


def test_dropout_is_off_in_training_mode(folder, groups):
    model, _ = load_model(folder, ModelConfig())
    model.train()
    assert torch.equal(group_log_probs(model, groups)[0], group_log_probs(model, groups)[0])
    torch.testing.assert_close(
        group_log_probs(model, groups)[0].tolist(), score_groups(model, groups), atol=1e-5, rtol=1e-5
    )


def test_bfloat16_scores_are_close_to_float32(folder, groups):
    model, _ = load_model(folder, ModelConfig(dtype="bfloat16"))
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    sums, _ = group_log_probs(model, groups)
    assert sums.dtype == torch.float32
    exact, _ = group_log_probs(load_model(folder, ModelConfig())[0], groups)
    assert (sums - exact).abs().max() < 0.03 * exact.abs().max()


def test_gradient_checkpointing_changes_no_gradient(folder, groups):
    found = []
    for checkpointing in (False, True):
        model, tokenizer = load_model(folder, ModelConfig(gradient_checkpointing=checkpointing))
        assert model.is_gradient_checkpointing is checkpointing
        model.train()
        group_log_probs(model, groups)[0].sum().backward()
        found.append([weight.grad for weight in model.parameters()])
        assert InProcessSampler(model, tokenizer).sample([[1, 4]], [0], 4)[0].ids
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_adapters_start_as_identity_train_alone_and_switch_off(folder, groups):
    base, _ = load_model(folder, ModelConfig())
    policy, _ = load_model(folder, ModelConfig(lora_rank=2, lora_alpha=4, gradient_checkpointing=True))
    assert isinstance(policy, PeftModel)
    assert score_groups(policy, groups) == score_groups(base, groups)
    assert all("lora_" in name for name, weight in policy.named_parameters() if weight.requires_grad)
    for _ in range(2):
        train_a_step(policy, groups)
    assert score_groups(policy, groups)[0] != pytest.approx(score_groups(base, groups)[0], abs=1e-3)
    assert score_groups(AdaptersOff(policy), groups) == score_groups(base, groups)
    with torch.no_grad():
        expected = token_kl(policy, base, groups)
        torch.testing.assert_close(token_kl(policy, AdaptersOff(policy), groups), expected)


def test_adapters_are_saved_merged_and_memory_is_left_alone(folder, groups, tokenizer):
    policy, _ = load_model(folder, ModelConfig(lora_rank=2, lora_alpha=4))
    for _ in range(2):
        train_a_step(policy, groups)
    scores = score_groups(policy, groups)
    before = digest(policy)
    save_model(policy, tokenizer, folder.parent / "merged")
    assert digest(policy) == before
    assert score_groups(policy, groups) == scores
    merged, _ = load_model(folder.parent / "merged", ModelConfig())
    for row, expected in zip(score_groups(merged, groups), scores, strict=True):
        assert row == pytest.approx(expected, abs=1e-4)
    names = {name for file in (folder.parent / "merged").glob("*.safetensors") for name in load_file(file)}
    assert not any("lora" in name or "base_layer" in name for name in names)


def test_sampling_under_adapters_follows_the_adapted_policy(llama_folder, groups):
    policy, tokenizer = load_model(llama_folder, ModelConfig(lora_rank=2, lora_alpha=4))
    for _ in range(2):
        train_a_step(policy, groups, learning_rate=1.0)
    prompts = [group.prompt for group in groups] * 10
    adapted = InProcessSampler(policy, tokenizer).sample(prompts, list(range(30)), 8)
    base = InProcessSampler(AdaptersOff(policy), tokenizer).sample(prompts, list(range(30)), 8)
    assert [sample.ids for sample in adapted] != [sample.ids for sample in base]


def test_folder_with_only_a_pickle_is_refused_by_name(llama_folder):
    weights = next(llama_folder.glob("*.safetensors"))
    torch.save(load_file(weights), llama_folder / "pytorch_model.bin")
    load_model(llama_folder, ModelConfig())
    weights.unlink()
    with pytest.raises(UserError, match=r"pickle \(pytorch_model.bin\), which is never loaded"):
        load_model(llama_folder, ModelConfig())


def test_folder_without_weights_or_without_itself_is_refused(llama_folder):
    next(llama_folder.glob("*.safetensors")).unlink()
    with pytest.raises(UserError, match="could not be read"):
        load_model(llama_folder, ModelConfig())
    (llama_folder / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(UserError, match="could not be read"):
        load_model(llama_folder, ModelConfig())
    with pytest.raises(UserError, match="does not exist"):
        load_model(llama_folder / "nowhere", ModelConfig())


def test_hub_out_of_reach_names_repository_and_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"some-owner/some-model at revision v2 .*`hf download some-owner/some-model"):
        load_model("some-owner/some-model", ModelConfig(revision="v2"))


def test_code_in_a_model_folder_is_never_run(llama_folder, tmp_path):
    config = llama_folder / "config.json"
    text = config.read_text().replace('"model_type": "llama"', '"model_type": "homemade"')
    config.write_text(text.replace("{", '{"auto_map": {"AutoConfig": "code.Config"},', 1))
    (llama_folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Config: pass\n")
    with pytest.raises(UserError, match="could not be read"):
        load_model(llama_folder, ModelConfig())
    assert not (tmp_path / "ran").exists()


def test_tokenizer_larger_than_the_model_is_refused(llama_folder):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(llama_folder)
    tokenizer.add_tokens([f"extra{i}" for i in range(9)])
    tokenizer.save_pretrained(llama_folder)
    with pytest.raises(UserError, match="tokenizer has 30 tokens but the model embeds 24"):
        load_model(llama_folder, ModelConfig())


def test_configuration_needs_no_torch():
    code = "import sys, tasks.models.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
