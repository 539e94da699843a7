"""The way to the internet that QGIS knows, as variables for pip: its proxy, and certificates that are trusted."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from qgis.core import QgsApplication, QgsNetworkAccessManager, QgsProcessingFeedback
from qgis.PyQt.QtNetwork import QNetworkProxy, QSslConfiguration

from ..contract.language import tr
from .environment import lies_in_osgeo4w

HTTP_PROXIES = (QNetworkProxy.ProxyType.HttpProxy, QNetworkProxy.ProxyType.HttpCachingProxy)
CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name a file of certificates; the user's own are left alone."""


def network_variables(folder: Path, feedback: QgsProcessingFeedback) -> dict[str, str]:
    """Return the variables that lead pip the way QGIS takes. `folder` receives a file of certificates if there are any.

    Without a proxy in QGIS's options, pip follows the system's, as QGIS does.
    """
    variables = {}
    address = proxy_address()
    if address:
        host = urlsplit(address)
        feedback.pushInfo(tr("The proxy of QGIS's options is used: {}:{}.").format(host.hostname, str(host.port)))
        variables = {"HTTP_PROXY": address, "HTTPS_PROXY": address, "NO_PROXY": ",".join(_hosts_without_proxy())}
        variables.update({name.lower(): value for name, value in variables.items()})  # which would win
    elif QgsNetworkAccessManager.instance().fallbackProxy().type() == QNetworkProxy.ProxyType.Socks5Proxy:
        feedback.pushWarning(
            tr(
                "QGIS's options name a SOCKS proxy, which pip cannot use. If the download fails, name an HTTP"
                " proxy in Settings > Options > Network."
            )
        )
    certificates = own_certificates()
    if certificates:
        path = folder / "certificates.pem"
        path.write_bytes(certificates)
        feedback.pushInfo(tr("The certificate authorities that you added to QGIS are trusted."))
        variables.update(dict.fromkeys(CERTIFICATES, str(path)))
    return variables


def proxy_address() -> str:
    """Return `http://user:password@host:port` of the HTTP proxy in QGIS's options; empty if there is none."""
    proxy = QgsNetworkAccessManager.instance().fallbackProxy()
    if proxy.type() not in HTTP_PROXIES or not proxy.hostName():
        return ""
    user = f"{quote(proxy.user(), safe='')}:{quote(proxy.password(), safe='')}@" if proxy.user() else ""
    return f"http://{user}{proxy.hostName()}:{proxy.port() or 8080}"


def _hosts_without_proxy() -> list[str]:
    """Return the hosts of the addresses that QGIS reaches without the proxy."""
    manager = QgsNetworkAccessManager.instance()
    addresses = [*manager.excludeList(), *manager.noProxyList()]
    hosts = [urlsplit(address if "//" in address else f"//{address}").hostname for address in addresses]
    return sorted({"localhost", "127.0.0.1", *(host for host in hosts if host)})


def own_certificates() -> bytes:
    """Return all authorities that QGIS trusts if the user added some; empty if not, or if a variable names a file."""
    if has_chosen_certificates():
        return b""
    manager = QgsApplication.authManager()
    if manager is None or manager.isDisabled() or not (manager.databaseCAs() or manager.extraFileCAs()):
        return b""
    return bytes(manager.trustedCaCertsPemText())


def has_chosen_certificates() -> bool:
    """Whether the user names a file of certificates in a variable."""
    values = [os.environ.get(name, "") for name in CERTIFICATES]
    return any(value and not lies_in_osgeo4w(value, os.environ) for value in values)


def system_certificates() -> bytes:
    """Return the authorities that the system trusts: on Windows and macOS those of its store, too."""
    return b"".join(bytes(each.toPem()) for each in QSslConfiguration.systemCaCertificates())
