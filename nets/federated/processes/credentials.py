"""Keys and certificates: each site has a key pair, the coordinator a certificate of its own authority."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"
"""Names of a coordinator's files: sites need the first one, nobody else the last one."""

_LOCAL = ("localhost", "127.0.0.1", "::1")
"""The coordinator's own processes call it so."""

_MARGIN = timedelta(days=1)
"""Clocks of hospitals differ."""


class CredentialsError(ValueError):
    """Keys or certificates that cannot be made or used; the text says what to do."""


def write_site_key(path: Path) -> Path:
    """Make a site's key pair.

    Parameters
    ----------
    path : Path
        Of the private key, which stays at the site.

    Returns
    -------
    Path
        Of the public key, which goes to the coordinator: the same name with ``.pub``.

    Raises
    ------
    CredentialsError
        If there is a key already.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    openssh = serialization.PrivateFormat.OpenSSH
    private = key.private_bytes(serialization.Encoding.PEM, openssh, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    _write(path, private, secret=True)
    _write(path.with_name(f"{path.name}.pub"), public + b"\n")
    return path.with_name(f"{path.name}.pub")


def write_certificates(folder: Path, hosts: Sequence[str], days: int) -> None:
    """Make an authority, and a certificate of it for the coordinator.

    The authority's key is not kept: it signs this one certificate.

    Parameters
    ----------
    folder : Path
        Gets ``ca.pem``, which goes to the sites, ``server.pem`` and ``server.key``.
    hosts : sequence of str
        Names and addresses by which sites call the coordinator, beside this machine's own.
    days : int
        How long both are valid.

    Raises
    ------
    CredentialsError
        If there are certificates already.
    """
    authority_key, server_key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    authority, server = _named("malibu federation"), _named("malibu coordinator")
    root = _certificate(authority, authority, authority_key, days)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signed = _certificate(server, authority, server_key, days)
    signed = signed.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    names = x509.SubjectAlternativeName([_general(host) for host in dict.fromkeys((*_LOCAL, *hosts))])
    signed = signed.add_extension(names, critical=False)
    signed = signed.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    folder.mkdir(parents=True, exist_ok=True)
    private = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    _write(folder / KEY, private, secret=True)
    for name, certificate in ((AUTHORITY, root), (CERTIFICATE, signed)):
        _write(folder / name, certificate.sign(authority_key, hashes.SHA384()).public_bytes(pem))


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _MARGIN)
        .not_valid_after(now + timedelta(days=days))
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, data: bytes, secret: bool = False) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600 if secret else 0o644, exist_ok=False)
    except FileExistsError as error:
        raise CredentialsError(f"{path} exists already; move it away if it is to be replaced") from error
    path.write_bytes(data)
