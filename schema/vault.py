"""The vault: login secrets sealed before they reach the database (AES-256-GCM, `cryptography`).

The key comes from a passphrase by scrypt (n=2^17, r=8, p=1: about 0.3 s and 128 MiB, `ENGINE.md` B6) or from a key
file that only its owner can read. A sealed secret is bound to its connection and cannot be moved to another.
"""

import os
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from schema.settings import Settings

_Secret = TypeVar("_Secret", bound=msgspec.Struct)
_NONCE = 12
_SALT = 16
_VERSION = b"copydesk-vault-1|"


class VaultError(Exception):
    """The vault will not open; the text is one sentence naming the field and the remedy, and holds no secret."""


class Vault:
    """Seals and unseals with one key. `repr` shows none of it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, settings: Settings) -> "Vault":
        """The vault of this state directory, made on first use. Takes about 0.3 s with a passphrase."""
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if settings.passphrase is not None:
            salt = _kept(settings.state_dir / "vault.salt", _SALT)
            scrypt = Scrypt(salt=salt, length=32, n=2**17, r=8, p=1)
            return cls(scrypt.derive(settings.passphrase.get_secret_value().encode()))
        path = settings.state_dir / "vault.key"
        key = _kept(path, 32)
        if path.stat().st_mode & 0o077:
            raise VaultError(f"vault: others can read {path}; run `chmod 600 {path}`.")
        if len(key) != 32:
            raise VaultError(f"vault: {path} is not a key; restore it from your backup, the secrets need it.")
        return cls(key)

    def seal(self, name: str, secret: bytes) -> bytes:
        """`secret` sealed for the connection `name`: nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, secret, _VERSION + name.encode())

    def unseal(self, name: str, sealed: bytes) -> bytes:
        """The secret sealed for `name`. Raises VaultError when the key is another or the bytes were changed."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _VERSION + name.encode())
        except InvalidTag:
            raise VaultError(
                f"vault: the secret of {name} does not open with this key; "
                "set COPYDESK_PASSPHRASE to what it was when the login was added."
            ) from None

    def seal_record(self, name: str, secret: msgspec.Struct) -> bytes:
        """A record of secrets sealed for the connection `name`."""
        return self.seal(name, msgspec.json.encode(secret))

    def unseal_record(self, name: str, sealed: bytes, kind: type[_Secret]) -> _Secret:
        """The record of secrets sealed for the connection `name`."""
        return msgspec.json.decode(self.unseal(name, sealed), type=kind)


def _kept(path: Path, size: int) -> bytes:
    """The bytes of `path`, made at random on first use, readable by the owner only."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(fd, "wb") as file:
        made = os.urandom(size)
        file.write(made)
    return made
