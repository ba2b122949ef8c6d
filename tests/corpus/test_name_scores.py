"""The scorers of names on small made-up flows: what agrees, what does not, and what cannot be compared."""

import pytest
from corpus_reports import Entry
from name_scores import (
    NameComparison,
    ServiceComparison,
    Verdict,
    compare_names,
    compare_services,
    compare_with_ndpi,
    parts_of,
    verdict_of,
    where_sent,
    zeek_words,
)
from zeek_states import Comparison

from capture_bytes import enhanced, interface, section

ENDS = {"client_ip": "10.0.0.1", "client_port": 1234, "server_ip": "10.0.0.2", "server_port": 443, "protocol": "tcp"}
COUNTS = {"packets_to_server": 1, "bytes_to_server": 60, "packets_to_client": 0, "bytes_to_client": 0}
TIMES = {"first_ns": None, "last_ns": None}
THEIRS = {"proto": "tcp", "a_ip": "10.0.0.2", "a_port": 443, "b_ip": "10.0.0.1", "b_port": 1234}
THEIR_COUNTS = {"pkts_ab": 0, "bytes_ab": 0, "pkts_ba": 1, "bytes_ba": 60}


def row(**values):
    nothing = dict.fromkeys(("tls_server_name", "http_host", "application_protocol", "service", "app", "app_source"))
    return {**ENDS, **COUNTS, **TIMES, **nothing, **values}


def names_compared(compare, path, rows, **labels):
    entry = Entry("made-up", str(path), path)
    entry.__dict__["oracle"] = {"views": {"outer+frag": [{**THEIRS, **THEIR_COUNTS, **labels}]}, "doubtful": []}
    result = NameComparison()
    compare_names(compare, entry, rows, "outer+frag", result)
    return result


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "said.pcapng"
    path.write_bytes(section() + interface() + enhanced(b"first") + enhanced(b"?? a.example"))
    return path


# --- tshark


def test_a_name_that_tshark_has_too_agrees(compare, capture):
    result = names_compared(compare, capture, [row(tls_server_name="A.example.")], sni="a.example")

    assert (len(result.same), result.different, result.additional) == (1, [], [])


@pytest.mark.parametrize("rows", [[row(tls_server_name="b.example")], [row()], []])
def test_another_name_or_none_or_no_row_differs(compare, capture, rows):
    result = names_compared(compare, capture, rows, sni="a.example")

    assert (len(result.same), len(result.different)) == (0, 1)


def test_sni_and_host_of_one_flow_are_two_names(compare, capture):
    rows = [row(tls_server_name="a.example", http_host="b.example")]

    result = names_compared(compare, capture, rows, sni="a.example", host="c.example")

    assert (len(result.same), len(result.different), result.agreement) == (1, 1, 0.5)


def test_a_name_that_tshark_lacks_is_told_with_packet_and_bytes(compare, capture):
    result = names_compared(compare, capture, [row(http_host="a.example")])

    assert result.same == result.different == []
    assert str(result.additional[0]).endswith("host 'a.example': packet 2 byte 3: 3f 3f 20 | b'a.example'")


def test_a_name_that_no_packet_shows_is_told_as_such(capture):
    assert where_sent(str(capture), "hidden.example").startswith("in no packet")


# --- nDPI


def ndpi(name, **values):
    return {**THEIRS, "ndpi_proto": name, "confidence": "DPI", **values}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("TLS.Facebook", ("TLS", "Facebook")),
        ("TLS", ("TLS", None)),
        ("Dropbox", (None, "Dropbox")),
        ("NetBIOS.SMBv1", ("SMBv1", None)),
        ("Something_New", ("Something_New", None)),
    ],
)
def test_ndpis_names_have_a_protocol_and_an_app(name, parts):
    assert parts_of(name) == parts


@pytest.mark.parametrize(
    ("flow", "ours", "verdict"),
    [
        (ndpi("TLS"), row(application_protocol="tls", app="example.com", app_source="name"), Verdict.SAME),
        (ndpi("TLS"), row(application_protocol="ssh", service="https", app="ssh"), Verdict.OTHER_PROTOCOL),
        (ndpi("TLS"), row(service="https", app="https", app_source="port"), Verdict.OTHER_PROTOCOL),
        (ndpi("TLS.Google"), row(application_protocol="tls", app="gmail", app_source="name"), Verdict.SAME),
        (ndpi("TLS.GMail"), row(application_protocol="tls", app="google", app_source="name"), Verdict.OTHER_APP),
        (ndpi("QUIC.Google"), row(application_protocol="tls", app="google", app_source="name"), Verdict.OTHER_PROTOCOL),
        (ndpi("TLS.Waze"), row(application_protocol="tls", app="tls", app_source="protocol"), Verdict.NO_APP),
        (ndpi("TLS.Waze", hostname="waze.com"), row(application_protocol="tls", app="tls"), Verdict.OTHER_APP),
        (ndpi("TLS.Waze"), row(application_protocol="tls", app="here", app_source="name"), Verdict.OTHER_APP),
        (ndpi("DNS.Apple", hostname="apple.com"), row(application_protocol="dns", app="dns"), Verdict.SAME),
        (ndpi("DNS.Apple"), row(application_protocol="mdns", app="mdns"), Verdict.OTHER_PROTOCOL),
        (ndpi("Viber"), row(application_protocol="viber", app="viber", app_source="protocol"), Verdict.SAME),
        (ndpi("Viber"), row(application_protocol="tls", app="viber", app_source="name"), Verdict.SAME),
        (ndpi("Viber"), row(service="https", app="https", app_source="port"), Verdict.OTHER_PROTOCOL),
        (ndpi("Dropbox"), row(service="https", app="https", app_source="port"), Verdict.OTHER_APP),
        (ndpi("ICMP"), row(protocol="icmp"), Verdict.SAME),
        (ndpi("Some_New-Thing"), row(service="some-new-thing"), Verdict.SAME),
    ],
)
def test_a_flow_of_ndpis_has_its_verdict(flow, ours, verdict):
    assert verdict_of(flow, ours) is verdict


def ndpi_compared(flows, *views):
    result = ServiceComparison()
    compare_with_ndpi({"source": "tests/made-up", "flows": flows}, views, result)
    return result


def test_disagreements_are_told_by_kind():
    web, other = row(application_protocol="http", app="http"), row(service="radmin", server_port=4899)

    result = ndpi_compared([ndpi("TLS"), ndpi("MySQL", a_port=4899)], [web, other])

    assert list(result.kinds) == [
        "TLS, ours http/http, another protocol",
        "MySQL, ours by port alone, another protocol",
    ]
    assert result.agreement(dissected_only=False) == 0


def test_guesses_of_ndpis_do_not_count():
    result = ndpi_compared([ndpi("TLS", confidence="Match by port")], [row(application_protocol="http")])

    assert result.agreement(dissected_only=False) == 1
    assert not result.kinds


def test_the_best_of_several_rows_on_one_key_counts():
    result = ndpi_compared([ndpi("TLS")], [row(application_protocol="http"), row(application_protocol="tls")])

    assert result.agreement(dissected_only=False) == 1


def test_a_key_that_the_first_view_lacks_is_looked_up_in_the_next():
    result = ndpi_compared([ndpi("TLS")], [], [row(application_protocol="tls")])

    assert (result.without_row, result.agreement(dissected_only=False)) == ([], 1)


def test_a_flow_without_a_row_is_told_and_not_scored():
    result = ndpi_compared([ndpi("TLS")], [])

    assert len(result.without_row) == 1
    assert not result.kinds


# --- Zeek


def zeek_compared(service, rows):
    result = Comparison()
    oracle = {"capture": "made-up", "baselines": [{"test": "t", "cmd": [], "flows": [{**THEIRS, "service": service}]}]}
    compare_services(oracle, [rows], result)
    return result


@pytest.mark.parametrize(
    ("service", "words"),
    [("ssl", {"tls", "dtls", "quic"}), ("http,smtp", {"http", "smtp"}), ("ftp,-ftp", {"ftp"}), (None, set())],
)
def test_zeeks_services_have_words_of_ours(service, words):
    assert zeek_words({"service": service}) == words


def test_a_service_of_zeeks_agrees_or_differs_or_has_no_row():
    assert zeek_compared("ssl", [row(application_protocol="tls")]).agreement == 1
    assert zeek_compared("ssl", [row(application_protocol="http")]).agreement == 0
    assert len(zeek_compared("ssl", []).left_out["no row on this key"]) == 1
    assert zeek_compared(None, [row(application_protocol="http")]).different == []
