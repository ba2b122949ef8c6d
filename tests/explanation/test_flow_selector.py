"""Which conversations the words of ``--explain`` mean."""

from __future__ import annotations

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6

from made_conversations import GET, answered, connection, inspected_in
from portcall.errors import UsageError
from portcall.explanation.flow_selector import chosen, conversation_text, nearest, parse_choice


def row(client, server, protocol="tcp", port_class="registered"):
    columns = {"protocol": protocol}
    for end, (address, port) in (("client", client), ("server", server)):
        columns |= {f"{end}_ip": address, f"{end}_port": port, f"{end}_port_class": port_class}
    return columns


MAPPED = [IPv6(src="::ffff:10.0.0.1", dst="2001:db8::5") / UDP(sport=5, dport=6)]
"""An IPv4 address as IPv6 maps it."""
ROWS = [
    row(("10.0.0.5", 54823), ("192.0.2.1", 443)),
    row(("10.0.0.5", 54823), ("192.0.2.1", 443), "udp"),
    row(("10.0.0.5", 40000), ("192.0.2.1", 443)),
    row(("2001:db8::5", 40001), ("2001:db8::80", 443)),
    row(("10.0.0.5", 0), ("192.0.2.1", 0), "icmp", None),
    row((None, None), (None, None), None, None),
]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "/tcp",
        "example.org:443",
        ":65536",
        "1.2.3:80",
        "a-b-c",
        "10.0.0.5:1-",
        "[::1",
        "2001:db8::x",
        "\0",
    ],
)
def test_other_words_are_a_usage_error_that_shows_the_right_form(text):
    with pytest.raises(UsageError, match=r"192\.168\.1\.5:54823-142\.250\.80\.46:443"):
        parse_choice(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10.0.0.5:54823-192.0.2.1:443", [0, 1]),
        ("192.0.2.1:443-10.0.0.5:54823", [0, 1]),
        ("10.0.0.5:54823-192.0.2.1:443/udp", [1]),
        (":40000", [2]),
        ("[2001:db8::80]:443", [3]),
        ("10.0.0.5-192.0.2.1/icmp", [4]),
        ("10.0.0.5:443", []),
        ("10.0.0.5:443-192.0.2.1:54823", []),
        ("3", [2]),
        ("6", [5]),
        ("7", []),
        ("443", [0, 1, 2, 3]),
        ("443/udp", [1]),
        ("tcp/443", [0, 2, 3]),
        ("https", [0, 1, 2, 3]),
        ("0", [4]),
        ("10.0.0.5", [0, 1, 2, 4]),
        ("*:40000", [2]),
        ("10.0.0.5:54823 -> 192.0.2.1:443/UDP", [1]),
        ("udp/10.0.0.5:54823 192.0.2.1:443", [1]),
        ("[2001:0db8:0:0::5]:40001↔[2001:db8::80%eth0]:https", [3]),
        ("2001:db8:0:0:0:0:0:80", [3]),
        ("40000-40001", [2, 3]),
        ("70000", []),
    ],
)
def test_rows_are_chosen_by_their_ends_or_their_number(text, meant):
    assert chosen(ROWS, parse_choice(text)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1",
        "192.0.2.80:443",
        "192.0.2.80-10.0.0.1:40000",
        ":53/udp",
        "2001:db8::5",
        "https",
        "192.0.2.0-10.0.0.1",
    ],
)
def test_rows_of_a_report_are_chosen_as_their_dictionaries_are(text):
    rows = inspected_in([*connection([GET]), *answered("www.example.com"), *MAPPED])

    assert chosen(rows, parse_choice(text)) == chosen(list(rows), parse_choice(text))
    assert nearest(rows, parse_choice(text)) == nearest(list(rows), parse_choice(text))
    assert chosen(rows, parse_choice("10.0.0.1")) == [0, 1, 2]


def test_the_nearest_rows_have_most_in_common():
    assert nearest(ROWS, parse_choice("10.0.0.5:40000-192.0.2.9:443"))[0] == 2


def test_frames_on_no_conversation_are_near_nothing():
    assert 5 not in nearest(ROWS[4:], parse_choice(":1"))


@pytest.mark.parametrize("index", range(5))
def test_how_a_conversation_is_written_is_how_it_is_asked_for(index):
    text = conversation_text(ROWS[index])

    assert chosen(ROWS, parse_choice(text)) == [index]
