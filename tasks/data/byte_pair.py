"""A byte-level BPE tokenizer trained on a run's own texts, for models that start from scratch.

The names of special tokens begin with U+FDD0, a code point that Unicode keeps out of exchanged text. So
``<eos>`` typed in the data is five ordinary characters on every path through the tokenizer, saved or not,
while the data's readers refuse rows that hold U+FDD0 itself.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tasks.data.quality import TokenCounter
from tasks.data.rows import Message
from tasks.engine.schema import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

RESERVED = "\ufdd0"
PAD, BOS, EOS, USER, ASSISTANT, SYSTEM = (
    f"{RESERVED}<{name}>" for name in ("pad", "bos", "eos", "user", "assistant", "system")
)
SPECIAL_TOKENS = (PAD, BOS, EOS, USER, ASSISTANT, SYSTEM)
SMALLEST_VOCABULARY = 256 + len(SPECIAL_TOKENS)

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] not in ['user', 'assistant', 'system'] %}"
    "{{ raise_exception('unknown role ' + message['role']) }}"
    "{% endif %}"
    "{{ '" + RESERVED + "<' + message['role'] + '>' + message['content'] }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + ASSISTANT + "' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> "PreTrainedTokenizerFast":
    """Train byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909; bytes as in GPT-2) on ``texts``.

    Every text round-trips exactly. ``vocabulary_size`` counts the 256 bytes and the six special tokens
    (pad 0, bos 1, eos 2, user 3, assistant 4, system 5); little text can yield fewer. Equal texts give equal
    tokenizers. Chats are rendered as bos, then role token and content per message, then the assistant token
    where an answer is to follow.

    Raises:
        UserError: ``vocabulary_size`` below 262.
    """
    if vocabulary_size < SMALLEST_VOCABULARY:
        raise UserError(
            f"vocabulary_size {vocabulary_size} is too small for 256 bytes and {len(SPECIAL_TOKENS)} special "
            f"tokens; set at least {SMALLEST_VOCABULARY}"
        )
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[USER, ASSISTANT, SYSTEM],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def token_counter(tokenizer: "PreTrainedTokenizerBase") -> TokenCounter:
    """Count a conversation's tokens under the tokenizer's chat template, generation prompt included."""

    def count_tokens(messages: Sequence[Message]) -> int:
        ids = tokenizer.apply_chat_template(
            list(messages),
            add_generation_prompt=messages[-1]["role"] == "user",
            tokenize=True,
            return_dict=False,
        )
        return len(ids)

    return count_tokens
