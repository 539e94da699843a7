"""Runs pip so that it trusts the certificates that the system trusts, whatever its version; says why it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from ..contract.language import tr
from ..contract.requirements import numbers_in
from .commands import Commands, Ended
from .network import has_chosen_certificates, system_certificates

TRUSTSTORE_FROM, TRUSTSTORE_BY_ITSELF = (23, 3), (24, 2)
"""Versions of pip that can ask the system which certificates it trusts, and that do so without being told to."""
TRUSTSTORE_PYTHON = (3, 10)
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


@dataclass(frozen=True)
class Pip:
    """The pip of a Python, or one in a `wheel` that this Python runs; `facts` are those of the Python."""

    commands: Commands
    python: Path
    facts: dict[str, Any]
    wheel: Optional[Path] = None

    @property
    def version(self) -> tuple[int, ...]:
        return numbers_in(self.wheel.name.split("-")[1] if self.wheel else self.facts["pip"])

    def run(self, verb: str, what: Sequence[str], look: Callable[[Optional[str]], None] = lambda _line: None) -> Ended:
        """Run `pip VERB WHAT...`. A pip that cannot ask the system is run again with a file of its certificates if its
        own list of authorities does not suffice."""
        pip = [f"{self.wheel}/pip"] if self.wheel else ["-m", "pip"]
        options = [*self._trust, "--no-input", "--progress-bar", "off"]
        command = [str(self.python), *pip, verb, *options, *what]
        ended = self.commands.run(command, self.python, look=look)
        if ended.code == 0 or UNTRUSTED not in ended.text or self._asks_the_system or self._has_certificates:
            return ended
        path = self.commands.folder / "certificates.pem"
        path.write_bytes(system_certificates())
        self.commands.variables["PIP_CERT"] = str(path)
        return self.commands.run(command, self.python, look=look)

    @property
    def _trust(self) -> list[str]:
        is_told_to = self._asks_the_system and self.version < TRUSTSTORE_BY_ITSELF
        return ["--use-feature=truststore"] if is_told_to else []

    @property
    def _asks_the_system(self) -> bool:
        return self.version >= TRUSTSTORE_FROM and tuple(self.facts["python"][:2]) >= TRUSTSTORE_PYTHON

    @property
    def _has_certificates(self) -> bool:
        """Whether a file of certificates is named already, by the user or for those of QGIS."""
        return has_chosen_certificates() or "PIP_CERT" in self.commands.variables


_UNREACHABLE = tr("The server cannot be reached. Check the connection, and the proxy in Settings > Options > Network.")
_UNTRUSTED = tr(
    "The server's certificate is not trusted. If your organization inspects its traffic, add its authority"
    " in Settings > Options > Authentication > Manage Certificates."
)
_CAUSES = {  # what the output of pip or uv holds -> what it means
    "ProxyError": tr("The proxy refused the connection. Check it in Settings > Options > Network."),
    UNTRUSTED: _UNTRUSTED,
    "invalid peer certificate": _UNTRUSTED,
    "DO NOT MATCH THE HASHES": tr(
        "A downloaded file is not the one that Soil CNN was tested with, so it was refused. Run this again; if"
        " it happens again, ask whoever runs your package mirror."
    ),
    "NewConnectionError": _UNREACHABLE,
    "NameResolutionError": _UNREACHABLE,
    "ConnectTimeoutError": _UNREACHABLE,
    "ReadTimeoutError": _UNREACHABLE,
    "client error (Connect)": _UNREACHABLE,
}


def cause_in_words(text: str) -> str:
    """Return what the output of pip or uv means for the connection; empty if the connection is not the cause."""
    return next((meaning for sign, meaning in _CAUSES.items() if sign in text), "")
