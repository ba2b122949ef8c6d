"""What TLS and HTTP may carry at the port of a service."""

import pytest

from portcall.labels.carried_services import NEVER_IN_TLS, SPOKEN_OVER_HTTP, is_made_up, may_be_in_tls
from portcall.labels.curated_services import curated_names


def test_every_service_that_is_named_here_is_one_of_our_list():
    assert set(curated_names()) >= SPOKEN_OVER_HTTP | NEVER_IN_TLS


@pytest.mark.parametrize("name", ["www.q4cyamnc6mtokjurvdclt.com", "www.gfu7hbxpfp.com", "www.hzkqtvwx.net"])
def test_a_relay_of_tor_has_a_name_that_was_made_up(name):
    assert is_made_up("tor", name)
    assert may_be_in_tls("tor", name)
    assert not is_made_up("kafka", name)


@pytest.mark.parametrize("name", ["www.example.com", "www.google.com", "gfu7hbxpfp.com", "www.gfu8hbxpfp.com"])
def test_another_name_is_another_servers(name):
    assert not may_be_in_tls("tor", name)


def test_without_a_name_tls_may_be_tors():
    assert may_be_in_tls("tor", None)
