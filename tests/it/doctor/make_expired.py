"""Writes expired.der and expired.key.der: a certificate for localhost that ended in 2021, and its key. For tests alone."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

here = pathlib.Path(__file__).parent
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "expired partner of the tests")])
names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(1)
    .not_valid_before(datetime.datetime(2020, 1, 1))
    .not_valid_after(datetime.datetime(2021, 1, 1))
    .add_extension(x509.SubjectAlternativeName(names), critical=False)
    .sign(key, hashes.SHA256())
)
der = serialization.Encoding.DER
(here / "expired.der").write_bytes(certificate.public_bytes(der))
pkcs8 = serialization.PrivateFormat.PKCS8
(here / "expired.key.der").write_bytes(key.private_bytes(der, pkcs8, serialization.NoEncryption()))
