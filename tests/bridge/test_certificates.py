"""A company that inspects its traffic: pip fetches from a server whose authority only the system knows."""

from __future__ import annotations

import hashlib
import http.server
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from qgis.core import QgsProcessingFeedback

from soil_cnn_plugin.bridge import network, pip, torch_builds
from soil_cnn_plugin.bridge.commands import Commands, Ended, start_log
from soil_cnn_plugin.bridge.interpreters import facts_of
from soil_cnn_plugin.bridge.pip import Pip, cause_in_words
from soil_cnn_plugin.bridge.pulse import Pulse

PYTHON = Path(sys.prefix, "bin", "python")
WHEEL = "tiny-1.0-py3-none-any.whl"


@dataclass(frozen=True)
class Company:
    """A package index at an address, and a file with the authority that has signed its certificate."""

    address: str
    authority: Path


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("company")
    authority, key = folder / "authority.pem", folder / "server.pem"

    def openssl(*words: object) -> None:
        subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True)

    elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-x509", *elliptic, *usage, "-keyout", "a.key", "-out", authority, "-subj", "/CN=Company")
    openssl("req", *elliptic, "-keyout", "s.key", "-out", "s.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    signed = ("-CA", authority, "-CAkey", "a.key", "-CAcreateserial", "-extfile", "names")
    openssl("x509", "-req", "-in", "s.csr", *signed, "-out", "s.crt")
    key.write_text((folder / "s.key").read_text() + (folder / "s.crt").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(key)
    write_index(folder / "index")
    handler = partial(QuietHandler, directory=str(folder / "index"))
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Company(f"https://localhost:{server.server_port}", authority)
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def write_index(folder: Path) -> None:
    """Write a package index of one small package."""
    (folder / "simple" / "tiny").mkdir(parents=True)
    wheel = folder / "simple" / "tiny" / WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (wheel.parent / "index.html").write_text(f'<a href="{WHEEL}#sha256={digest}">{WHEEL}</a>')


@pytest.fixture(scope="module")
def facts() -> dict[str, object]:
    return facts_of(PYTHON)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trusted but what the system trusts."""
    for name in (*network.CERTIFICATES, "CURL_CA_BUNDLE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


@pytest.fixture
def commands(qgis_app, tmp_path: Path) -> Commands:
    feedback = QgsProcessingFeedback(False)
    (tmp_path / "part").mkdir()
    start_log()
    return Commands(tmp_path / "part", feedback, Pulse(feedback))


def download(commands: Commands, facts: dict[str, object], company: Company) -> str:
    """Let the pip of this Python fetch the package; return what it said, empty if it came."""
    index = ["--index-url", f"{company.address}/simple", "--retries", "0"]
    what = [*index, "--no-deps", "--disable-pip-version-check", "--dest", str(commands.folder), "tiny"]
    ended = Pip(commands, PYTHON, facts).run("download", what)
    assert (ended.code == 0) == (commands.folder / WHEEL).is_file()
    return "" if ended.code == 0 else ended.text


@pytest.mark.parametrize(
    ("version", "python", "option", "runs"),
    [
        ("23.2.1", [3, 11, 7], False, 2),
        ("23.3", [3, 11, 7], True, 1),
        ("24.2", [3, 12, 1], False, 1),
        ("24.2", [3, 9, 5], False, 2),
    ],
)
def test_a_pip_that_cannot_ask_the_system_gets_a_file_of_its_certificates(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, version: str, python: list[int], option: bool, runs: int
) -> None:
    """One that can has asked already, so its refusal is final and told in words."""
    asked: list[list[str]] = []
    refusal = ["SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"]
    monkeypatch.setattr(Commands, "run", lambda _, command, *__, **___: asked.append(command) or Ended(1, refusal))
    ended = Pip(commands, PYTHON, {"pip": version, "python": python}).run("download", ["tiny"])
    assert [("--use-feature=truststore" in command) for command in asked] == [option] * runs
    file = commands.folder / "certificates.pem"
    assert commands.variables == ({"PIP_CERT": str(file)} if runs == 2 else {}) and file.is_file() == (runs == 2)
    assert "The server's certificate is not trusted." in cause_in_words(ended.text)


def test_pip_trusts_an_authority_of_the_system(
    commands: Commands, facts: dict[str, object], company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's store is this folder: OpenSSL's, which newer versions of pip ask, and Qt's, for older ones."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "company.pem").write_bytes(company.authority.read_bytes())
    subprocess.run(["openssl", "rehash", store], check=True)
    monkeypatch.setenv("SSL_CERT_DIR", str(store))
    monkeypatch.setattr(pip, "system_certificates", company.authority.read_bytes)
    assert download(commands, facts, company) == ""


def test_pip_and_the_question_for_pytorchs_index_trust_an_authority_that_was_added_to_qgis(
    commands: Commands, facts: dict[str, object], company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"{company.address}/simple/tiny/"
    assert not torch_builds.answers(page)

    class Manager:
        def isDisabled(self) -> bool:
            return False

        def databaseCAs(self) -> list[str]:
            return ["an authority"]

        def trustedCaCertsPemText(self) -> bytes:
            return company.authority.read_bytes()

    monkeypatch.setattr(network.QgsApplication, "authManager", Manager)
    assert torch_builds.answers(page)
    commands.variables.update(network.network_variables(commands.folder, commands.feedback))
    assert download(commands, facts, company) == ""


def test_the_certificates_of_the_system_are_read(qgis_app) -> None:
    assert network.system_certificates().count(b"-----BEGIN CERTIFICATE-----") > 50
