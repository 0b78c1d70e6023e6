"""The vault: logins' secrets, sealed before they reach the database (AES-256-GCM, `cryptography`).

The key comes from a passphrase by scrypt (n=2^17, r=8, p=1: about 0.35 s and 128 MiB, once per opening) or from a key
file that only its owner can read. What is sealed is bound to its connection and says how it was sealed, so that it
opens on another machine with the same passphrase, and nowhere without. Called by the engine and the shell commands.
"""

import os
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from schema.login import Credentials
from schema.records import ConnectionConfig
from schema.redact import REDACTOR
from schema.settings import Settings

_FORMAT = 1  # what is sealed says so in its first byte and, as associated data, inside the seal
_BY_KEY_FILE, _BY_PASSPHRASE = b"k", b"p"
_NONCE, _SALT, _KEY = 12, 16, 32
_HEAD = 1 + 1 + _SALT


class VaultError(Exception):
    """The vault will not open; the text is one sentence naming the field and the remedy, and holds no secret."""


class Vault:
    """Seals and unseals. Nothing of it can be printed."""

    def __init__(self, method: bytes, key: bytes, passphrase: str = "", salt: bytes = bytes(_SALT)) -> None:
        self._method = method
        self._salt = salt
        self._passphrase = passphrase
        self._ciphers = {salt: AESGCM(key)}

    @classmethod
    def open(cls, settings: Settings) -> "Vault":
        """The vault of this state directory, made on first use. Takes about 0.35 s with a passphrase: call it in a
        thread. Raises VaultError."""
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if settings.passphrase is not None:
            passphrase = settings.passphrase.get_secret_value()
            REDACTOR.register(passphrase)
            salt = _kept(settings.state_dir / "vault.salt", _SALT)
            return cls(_BY_PASSPHRASE, _derive(passphrase, salt), passphrase, salt)
        return cls(_BY_KEY_FILE, _kept(settings.state_dir / "vault.key", _KEY))

    def seal(self, connection: str, secret: bytes) -> bytes:
        """`secret`, sealed for the login `connection`."""
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self._salt].encrypt(nonce, secret, _bound_to(connection))
        return bytes([_FORMAT]) + self._method + self._salt + nonce + sealed

    def unseal(self, connection: str, sealed: bytes) -> bytes:
        """The secret sealed for `connection`. Raises VaultError: another passphrase or key, or bytes that were changed
        or belong to another login."""
        head, nonce, body = sealed[:_HEAD], sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        if len(nonce) < _NONCE or head[0] != _FORMAT:
            raise VaultError(f"vault: the sealed login {connection} is damaged; add it again.")
        if head[1:2] != self._method:
            raise VaultError(
                f"passphrase: the login {connection} was sealed "
                + (
                    "with the key file, not with a passphrase; unset COPYDESK_PASSPHRASE or add the login again."
                    if self._method == _BY_PASSPHRASE
                    else "with a passphrase; set COPYDESK_PASSPHRASE to it or add the login again."
                )
            )
        try:
            return self._cipher(head[2:]).decrypt(nonce, body, _bound_to(connection))
        except InvalidTag:
            what = "passphrase: it" if self._method == _BY_PASSPHRASE else "vault.key: it"
            raise VaultError(
                f"{what} does not open the login {connection}; use the one it was sealed with or add the login again."
            ) from None

    def seal_credentials(self, config: ConnectionConfig, credentials: Credentials) -> bytes:
        """A login's secrets, sealed, as `Store.add_connection` wants them."""
        return self.seal(config.connection, msgspec.json.encode(credentials))

    def credentials(self, config: ConnectionConfig, sealed: bytes) -> Credentials:
        """A login's secrets; from now on the log hides them. Raises VaultError."""
        try:
            found = msgspec.json.decode(self.unseal(config.connection, sealed), type=Credentials)
        except msgspec.MsgspecError:
            # `from None`: the original shows a part of what it could not read.
            raise VaultError(f"vault: the sealed login {config.connection} is damaged; add it again.") from None
        REDACTOR.register(found.password, found.sec)
        return found

    def _cipher(self, salt: bytes) -> AESGCM:
        if salt not in self._ciphers:  # sealed on another machine
            self._ciphers[salt] = AESGCM(_derive(self._passphrase, salt))
        return self._ciphers[salt]


def _derive(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY, n=2**17, r=8, p=1).derive(passphrase.encode())


def _bound_to(connection: str) -> bytes:
    return f"copydesk vault {_FORMAT} {connection}".encode()


def _kept(path: Path, size: int) -> bytes:
    """The bytes of `path`, made at random on first use. Raises VaultError when others can read it or it is damaged."""
    if not path.exists():
        # Written aside and linked, so that nobody ever reads half of it, and two at once agree on one.
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(os.urandom(size))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    held = path.stat()
    if held.st_mode & 0o077 or held.st_uid != os.geteuid():
        raise VaultError(f"{path.name}: others than its owner can use {path}; run `chmod 600 {path}` as its owner.")
    found = path.read_bytes()
    if len(found) != size:
        raise VaultError(f"{path.name}: {path} is damaged; restore it from a backup, the sealed logins need it.")
    return found
