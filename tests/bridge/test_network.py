"""The proxy and the certificates of QGIS, handed to pip."""

from __future__ import annotations

import pytest
from qgis.core import QgsNetworkAccessManager, QgsProcessingFeedback
from qgis.PyQt.QtNetwork import QNetworkProxy

from soil_cnn_plugin.bridge import network
from soil_cnn_plugin.bridge.network import network_variables, proxy_address


@pytest.fixture
def feedback(qgis_app) -> QgsProcessingFeedback:
    return QgsProcessingFeedback(False)


@pytest.fixture(autouse=True)
def use_proxy(qgis_app, monkeypatch):
    """Return a function that sets QGIS's proxy; there is none before and afterwards."""
    for name in network.CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    manager = QgsNetworkAccessManager.instance()

    def use(kind: QNetworkProxy.ProxyType, *place: object, excluded: tuple[str, ...] = ()) -> None:
        manager.setFallbackProxyAndExcludes(QNetworkProxy(kind, *place), list(excluded), [])

    use(QNetworkProxy.ProxyType.DefaultProxy)
    yield use
    use(QNetworkProxy.ProxyType.DefaultProxy)


def test_without_a_proxy_pip_follows_the_system(feedback, tmp_path) -> None:
    assert network_variables(tmp_path, feedback) == {}
    assert list(tmp_path.iterdir()) == []


def test_the_proxy_of_qgis_is_handed_to_pip_with_what_it_leaves_out(feedback, tmp_path, use_proxy) -> None:
    place = ("proxy.example", 10809, "ann", "p@ss:1")
    use_proxy(QNetworkProxy.ProxyType.HttpProxy, *place, excluded=("https://intranet.example/wheels",))
    address = "http://ann:p%40ss%3A1@proxy.example:10809"
    assert proxy_address() == address
    variables = network_variables(tmp_path, feedback)
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == variables["HTTP_PROXY"] == address
    assert variables["NO_PROXY"] == "127.0.0.1,intranet.example,localhost"
    assert "proxy.example:10809" in feedback.textLog() and "p@ss" not in feedback.textLog()


def test_a_socks_proxy_is_told_instead_of_ignored(feedback, tmp_path, use_proxy) -> None:
    use_proxy(QNetworkProxy.ProxyType.Socks5Proxy, "proxy.example", 1080)
    assert network_variables(tmp_path, feedback) == {}
    assert "SOCKS proxy, which pip cannot use" in feedback.textLog()


def test_authorities_that_the_user_added_are_trusted(feedback, tmp_path, monkeypatch) -> None:
    class Manager:
        def isDisabled(self) -> bool:
            return False

        def databaseCAs(self) -> list[str]:
            return ["an authority"]

        def trustedCaCertsPemText(self) -> bytes:
            return b"-----BEGIN CERTIFICATE-----"

    monkeypatch.setattr(network.QgsApplication, "authManager", Manager)
    variables = network_variables(tmp_path, feedback)
    assert variables == dict.fromkeys(network.CERTIFICATES, str(tmp_path / "certificates.pem"))
    assert (tmp_path / "certificates.pem").read_bytes() == b"-----BEGIN CERTIFICATE-----"
    monkeypatch.setenv("OSGEO4W_ROOT", "/osgeo4w")
    monkeypatch.setenv("SSL_CERT_FILE", "/osgeo4w/bin/curl-ca-bundle.crt")  # QGIS's scripts set it, not the user
    assert network_variables(tmp_path, feedback) == variables
    monkeypatch.setenv("PIP_CERT", "/my/own.pem")
    assert network_variables(tmp_path, feedback) == {}
