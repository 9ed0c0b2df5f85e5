"""From conversations to token ids and back.

Prompt and response are tokenised apart and their ids joined: the border between them is where the
log-probability mask begins, and a tokenizer that merged characters across it would corrupt the mask. EOS
closes every response and is scored, so a policy learns to stop.
"""

from collections.abc import Sequence

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import Message
from tasks.engine.schema import UserError

PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message.role | capitalize }}: {{ message.content }}\n\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}"
)
"""For tokenizers without a chat template: ``User: question``, a blank line, ``Assistant:``, a new line."""


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Ids of a conversation up to where the assistant begins to speak; at least one id.

    Raises:
        UserError: the chat template refuses the conversation (for example a system turn where it knows none).
    """
    try:
        ids = tokenizer.apply_chat_template(
            list(messages),
            chat_template=tokenizer.chat_template or PLAIN_TEMPLATE,
            add_generation_prompt=True,
            return_dict=False,
            **({} if tokenizer.bos_token else {"bos_token": ""}),
        )
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise UserError(f"chat template of {tokenizer.name_or_path} refuses turns ({roles}): {error}") from error
    if not ids:
        raise UserError(f"prompt {list(messages)!r} has no tokens; give every prompt at least one word")
    return list(ids)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of raw text to continue, with BOS where the tokenizer puts one, never with EOS at the end; at least one id.

    Empty text is BOS alone, or EOS where the tokenizer has no BOS (as in lm-evaluation-harness).

    Raises:
        UserError: the text is empty and the tokenizer has neither BOS nor EOS.
    """
    ids = list(tokenizer(text)["input_ids"])
    while ids and ids[-1] == tokenizer.eos_token_id:
        ids.pop()
    opening = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if not ids and opening is None:
        raise UserError(f"tokenizer {tokenizer.name_or_path} has neither bos_token nor eos_token to begin a text with")
    return ids or [opening]


def encode_response(tokenizer: PreTrainedTokenizerBase, text: str, eos: bool = True) -> list[int]:
    """Ids of a response without any prompt, closed by EOS unless it was cut off (``eos=False``).

    Raises:
        UserError: the tokenizer has no end-of-sequence token.
    """
    if eos and tokenizer.eos_token_id is None:
        raise UserError(f"tokenizer {tokenizer.name_or_path} has no eos_token; set one in its tokenizer_config.json")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return [*ids, tokenizer.eos_token_id] if eos else list(ids)


def decode_response(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Text of a response without special tokens; ids that no token has are skipped, so it never fails."""
    known = [token for token in ids if 0 <= token < len(tokenizer)]
    return tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=False)
