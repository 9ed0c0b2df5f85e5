"""The word-level tokenizer of the tiny world."""

from typing import TYPE_CHECKING

from tasks.data.tiny_world.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('role must be system, user or assistant, not ' + message['role']) }}{% endif %}"
    " <{{ message['role'] }}> {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %} {{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} <assistant>{% endif %}"
)
"""``<bos> <user> PROMPT <assistant>`` with ``add_generation_prompt``; an assistant turn ends in ``<eos>``."""


def build_tokenizer() -> "PreTrainedTokenizerFast":
    """Build the tokenizer: one token a whitespace-separated word, ids as in :func:`token_ids`.

    Text in single spaces over the vocabulary survives encoding and decoding unchanged. Encoding adds no
    special tokens by itself; the chat template does. Ids beyond the vocabulary, which a model of padded
    width may sample, decode to nothing.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel(token_ids(), unk_token=UNK))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=UNK,
        additional_special_tokens=list(SPECIAL_TOKENS[4:]),
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
