"""The vault: what is sealed opens with the right key, for the right login, unchanged, and in no other case."""

from pathlib import Path

import pytest

from schema.login import Credentials
from schema.settings import Settings, load_settings
from schema.vault import Vault, VaultError
from tests.schema import rows

SECRET = b"canary-51c0"


def settings(folder: Path, passphrase: str | None = None) -> Settings:
    extra = {"state_dir": folder, **({"passphrase": passphrase} if passphrase else {})}
    return load_settings(**extra)


@pytest.mark.parametrize("passphrase", [None, "a long sentence"])
def test_sealed_secrets_open_again_after_a_restart(tmp_path: Path, passphrase: str | None) -> None:
    sealed = Vault.open(settings(tmp_path, passphrase)).seal("desk1", SECRET)
    assert SECRET not in sealed
    assert Vault.open(settings(tmp_path, passphrase)).unseal("desk1", sealed) == SECRET


def test_a_passphrase_opens_on_another_machine(tmp_path: Path) -> None:
    sealed = Vault.open(settings(tmp_path / "a", "a long sentence")).seal("desk1", SECRET)
    assert Vault.open(settings(tmp_path / "b", "a long sentence")).unseal("desk1", sealed) == SECRET


@pytest.mark.parametrize(
    ("sealing", "opening", "sentence"),
    [
        ("a long sentence", "another sentence",
         "passphrase: it does not open the login desk1; use the one it was sealed with or add the login again."),
        (None, "a long sentence",
         "passphrase: the login desk1 was sealed with the key file, not with a passphrase; "
         "unset COPYDESK_PASSPHRASE or add the login again."),
        ("a long sentence", None,
         "passphrase: the login desk1 was sealed with a passphrase; "
         "set COPYDESK_PASSPHRASE to it or add the login again."),
    ],
)  # fmt: skip
def test_the_wrong_key_is_told_in_one_sentence(
    tmp_path: Path, sealing: str | None, opening: str | None, sentence: str
) -> None:
    sealed = Vault.open(settings(tmp_path, sealing)).seal("desk1", SECRET)
    with pytest.raises(VaultError) as refused:
        Vault.open(settings(tmp_path, opening)).unseal("desk1", sealed)
    assert str(refused.value) == sentence


def test_a_seal_is_bound_to_its_login_and_every_byte(tmp_path: Path) -> None:
    vault = Vault.open(settings(tmp_path))
    sealed = vault.seal("desk1", SECRET)
    with pytest.raises(VaultError):
        vault.unseal("desk2", sealed)
    for place in range(len(sealed)):
        if 2 <= place < 18:
            continue  # the salt: it is part of no key file's seal
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(VaultError):
            vault.unseal("desk1", bytes(changed))
    for length in (0, 5, 30, len(sealed) - 1):
        with pytest.raises(VaultError):
            vault.unseal("desk1", sealed[:length])


def test_no_two_seals_are_alike(tmp_path: Path) -> None:
    vault = Vault.open(settings(tmp_path))
    assert vault.seal("desk1", SECRET) != vault.seal("desk1", SECRET)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Vault.open(settings(tmp_path))
    key = tmp_path / "vault.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    with pytest.raises(VaultError) as refused:
        Vault.open(settings(tmp_path))
    assert str(refused.value) == (
        f"vault.key: others than its owner can use {key}; run `chmod 600 {key}` as its owner."
    )  # fmt: skip


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    Vault.open(settings(tmp_path))
    (tmp_path / "vault.key").write_bytes(b"short")
    with pytest.raises(VaultError, match="is damaged"):
        Vault.open(settings(tmp_path))


def test_credentials_come_back_whole_and_do_not_print(tmp_path: Path) -> None:
    vault = Vault.open(settings(tmp_path))
    given = Credentials(username="u", password="canary-51c0", cid="7", sec="canary-sec-51c0", device_id="d")
    found = vault.credentials(rows.connection(), vault.seal_credentials(rows.connection(), given))
    assert found == given
    assert "canary" not in repr(found) + str(found) + repr(vault) + repr(list(found.__rich_repr__()))
