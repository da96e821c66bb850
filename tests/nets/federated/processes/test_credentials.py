"""Keys and certificates that Flower and TLS take, and that nobody overwrites by mistake."""

import ipaddress
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="the extra federated is not installed")

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from nets.federated.processes.credentials import CredentialsError, write_certificates, write_site_key


def test_a_site_has_a_pair_of_keys_and_only_it_reads_the_private_one(tmp_path: Path) -> None:
    public = write_site_key(tmp_path / "site.key")
    private = load_ssh_private_key((tmp_path / "site.key").read_bytes(), None)
    assert private.public_key() == load_ssh_public_key(public.read_bytes())
    assert (tmp_path / "site.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CredentialsError, match="exists already; move it away"):
        write_site_key(tmp_path / "site.key")


def test_the_certificate_is_the_coordinators_and_of_its_own_authority(tmp_path: Path) -> None:
    write_certificates(tmp_path, ["hub.example.org", "10.1.2.3"], 30)
    authority, server = (
        x509.load_pem_x509_certificate((tmp_path / name).read_bytes()) for name in ("ca.pem", "server.pem")
    )
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"hub.example.org", "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    assert ipaddress.ip_address("10.1.2.3") in names.get_values_for_type(x509.IPAddress)
    assert (server.not_valid_after_utc - server.not_valid_before_utc).days == 31
    assert (tmp_path / "server.key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem", "server.key", "server.pem"]
