"""Certificates: a request goes to nobody who does not prove to be the host."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from tools import connections
from tools.tests.posting import failing, keeping, post
from tools.tests.servers import (
    ToolServer,
    answering,
    serve,
    silent,
)

pytestmark = pytest.mark.usefixtures("loopback")


def test_an_untrusted_certificate_is_refused_before_sending(tmp_path: Path) -> None:
    with serve(answering("{}"), tls=server_tls(tmp_path, "127.0.0.1")) as server:
        error = failing(server.url)

    assert (error.code, error.sent) == ("tls_failed", False)
    assert "self-signed" in error.why
    assert server.requests == []


def test_a_trusted_certificate_must_be_for_that_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = server_tls(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    monkeypatch.setattr(connections, "_tls_context", lambda: trusting)
    with serve(answering("{}"), tls=tls) as server:
        assert post(server.url.replace("127.0.0.1", "localhost")).http_status == 200
        error = failing(server.url)

    assert (error.code, error.sent) == ("tls_failed", False)
    assert len(server.requests) == 1


def test_plain_http_at_a_tls_port_was_certainly_not_sent() -> None:
    with serve(answering("{}")) as server:
        error = failing(server.url.replace("http:", "https:"))

    assert (error.code, error.sent) == ("tls_failed", False)


def test_a_certificate_is_checked_in_an_open_network_too(tmp_path: Path, settings: Settings) -> None:
    settings.TOOL_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with serve(answering("{}"), tls=server_tls(tmp_path, "127.0.0.1")) as server:
        assert failing(server.url).code == "tls_failed"
    assert server.requests == []


def test_a_kept_tls_connection_is_for_that_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = server_tls(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    monkeypatch.setattr(connections, "_tls_context", lambda: trusting)
    monkeypatch.setattr(connections, "IDLE_MAX_S", 600)  # a busy machine takes its time between the two
    with serve(keeping, tls=tls, keep_alive=True) as server:
        named = server.url.replace("127.0.0.1", "localhost")
        first, second = post(named), post(named)
        error = failing(server.url)

    assert first.body == second.body
    assert first.steps.tls_ms is not None
    assert second.steps.tls_ms is None
    assert error.code == "tls_failed"


def test_the_deadline_holds_on_a_kept_tls_connection_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting_folder = server_tls(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    monkeypatch.setattr(connections, "_tls_context", lambda: trusting)
    asked = []

    def quick_then_silent(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        asked.append(1)
        (keeping if len(asked) == 1 else silent)(handler, server)

    with serve(quick_then_silent, tls=trusting_folder, keep_alive=True) as server:
        named = server.url.replace("127.0.0.1", "localhost")
        post(named)
        error = failing(named, timeout_s=0.3)
        while not error.sent:  # a busy machine may need all of that to ask
            error = failing(named, timeout_s=10)

    assert (error.code, error.sent) == ("timeout", True)


def server_tls(folder: Path, name: str) -> ssl.SSLContext:
    """TLS with a certificate for that name which nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
        key, hashes.SHA256()
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
