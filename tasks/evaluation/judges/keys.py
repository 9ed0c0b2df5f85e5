"""An endpoint's key: where it is found, and how it stays out of every text."""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import SecretStr

from tasks.data.columnar import one_line
from tasks.engine.schema import UserError
from tasks.evaluation.judges.settings import JudgeSettings

HIDDEN = "***"


def find_key(settings: JudgeSettings) -> SecretStr:
    """The key from the settings' Prefect Secret block or environment variable; empty where none is needed.

    Raises UserError naming the block or variable that is missing, or holds what cannot be sent; a server on this
    machine may do without.
    """
    if settings.api_key_block:
        return sendable(read_block(settings.api_key_block), f"Prefect Secret block {settings.api_key_block!r}")
    key = os.environ.get(settings.api_key_variable, "").strip() if settings.api_key_variable else ""
    if not key and settings.api_key_variable and not is_local(settings.base_url):
        raise UserError(
            f"judge: {settings.base_url} wants a key and the environment variable {settings.api_key_variable} is not "
            "set; set it, name another one (api_key_variable) or a Prefect Secret block (api_key_block), or leave "
            "api_key_variable empty if the server wants none"
        )
    return sendable(key, f"environment variable {settings.api_key_variable}")


def sendable(key: str, place: str) -> SecretStr:
    """The key. Raises UserError, without it, if no header can hold it: the client would repeat it in its error."""
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"judge: the key in {place} has a line break or a sign that no key has; copy it there again")
    return SecretStr(key)


def read_block(name: str) -> str:
    """The value of a Prefect Secret block. Raises UserError if there is none of that name or no server answers."""
    from prefect.blocks.system import Secret

    try:
        block = Secret.load(name, _sync=True)  # type: ignore[call-arg]
        value = block.get()  # type: ignore[union-attr]
    except Exception as error:
        raise UserError(
            f"judge: Prefect Secret block {name!r} cannot be read ({one_line(error)[:120]}); make it "
            f"(`Secret(value=...).save({name!r})`, or Blocks in the server's pages), or name an environment variable"
        ) from None
    return str(value).strip()


def hide(key: SecretStr, text: str) -> str:
    """``text`` with the key, should a server have repeated it, starred out."""
    secret = key.get_secret_value()
    return text.replace(secret, HIDDEN) if secret else text


def is_local(url: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
