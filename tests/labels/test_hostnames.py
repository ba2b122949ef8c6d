"""Apps by host name: the shipped list is sound, and each name that somebody may send has one answer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PSLFILE, PublicSuffixList

from listed_apps import read_apps, suffixes_of
from portcall.labels import hostnames as apps
from portcall.labels.hostnames import app_of_hostname

TEXT = Path(apps.__file__).parents[1].joinpath("data").joinpath("apps.toml").read_text(encoding="utf-8")
LISTED = read_apps(TEXT)
SUFFIXES = suffixes_of(LISTED)
LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")

ENTRY = """
[[app]]
name = "{}"
title = "One"
category = "search"
suffixes = ["{}"]
"""


def _is_curated(label):
    return label is not None and label.evidence.startswith("curated")


def app(hostname):
    label = app_of_hostname(hostname)
    return label and label.app


# --- the list


def test_a_name_stands_once():
    with pytest.raises(ValueError, match="one is listed twice"):
        read_apps(ENTRY.format("one", "one.com") + ENTRY.format("one", "one.net"))


def test_a_suffix_stands_once():
    twice = read_apps(ENTRY.format("one", "one.com") + ENTRY.format("two", "one.com"))

    with pytest.raises(ValueError, match=r"one\.com is listed twice, for one and two"):
        suffixes_of(twice)


def test_the_quick_reader_finds_what_a_parser_finds():
    assert apps.read_suffixes(TEXT) == SUFFIXES


def test_the_shipped_list_has_the_services_that_people_meet():
    assert len(LISTED) >= 150


def test_a_listed_suffix_is_a_host_name_in_lower_case():
    broken = [suffix for suffix in SUFFIXES if not all(LABEL.fullmatch(label) for label in suffix.split("."))]

    assert broken == []
    assert max(map(len, SUFFIXES)) <= apps.MOST_NAME_CHARACTERS


def test_no_listed_suffix_is_below_another_of_the_same_app():
    def above(suffix):
        while suffix := suffix.partition(".")[2]:
            if suffix in SUFFIXES:
                return SUFFIXES[suffix]
        return None

    idle = [suffix for suffix, name in SUFFIXES.items() if above(suffix) == name]

    assert idle == []


def test_no_listed_suffix_is_one_under_which_just_anybody_registers():
    rules = PublicSuffixList(accept_unknown=False, only_icann=True)  # without those that one company hands out

    open_to_all = {suffix for suffix in SUFFIXES if rules.privatesuffix(suffix) is None}

    assert open_to_all == {"amazon", "aws", "google", "microsoft", "onion"}  # top levels of one owner each


def test_an_entry_has_its_words_in_order():
    for listed in LISTED.values():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", listed.name), listed
        assert re.fullmatch(r"[a-z]+", listed.category), listed
        assert listed.title == listed.title.strip() != "", listed
        assert listed.suffixes, listed


def test_a_category_is_of_several_apps():
    categories = [listed.category for listed in LISTED.values()]

    assert [category for category in set(categories) if categories.count(category) == 1] == []


@pytest.mark.parametrize(
    ("hostname", "name"),
    [
        ("api-partner.spotify.com", "spotify"),
        ("i.scdn.co", "spotify"),
        ("audio-fa.scdn.co", "spotify"),
        ("r3---sn-4g5e6nsz.googlevideo.com", "youtube"),
        ("www.google.com", "google"),
        ("mail.google.com", "gmail"),
        ("www.google.co.uk", "google"),
        ("ipv4-c001-fra001-ix.1.oca.nflxvideo.net", "netflix"),
        ("e13.whatsapp.net", "whatsapp"),
        ("teams.microsoft.com", "teams"),
        ("www.microsoft.com", "microsoft"),
        ("fe2.update.microsoft.com", "windows-update"),
        ("s3.eu-central-1.amazonaws.com", "aws"),
        ("www.amazon.de", "amazon"),
        ("r10.o.lencr.org", "certificate-status"),
        ("2.debian.pool.ntp.org", "network-time"),
        ("captive.apple.com", "connectivity-check"),
        ("stats.g.doubleclick.net", "google-ads"),
        ("files.pythonhosted.org", "pypi"),
    ],
)
def test_services_that_people_meet_have_their_words(hostname, name):
    assert app(hostname) == name


# --- which entry answers


def test_a_suffix_matches_at_the_border_of_a_label_only():
    assert app("m.fb.com") == app("fb.com") == "facebook"
    assert app("myfb.com") == "myfb.com"


def test_the_longest_suffix_wins():
    assert app("music.youtube.com") == "youtube-music"
    assert app("www.youtube.com") == "youtube"


def test_a_name_in_the_list_says_by_which_suffix():
    label = app_of_hostname("i.scdn.co")

    assert (label.app_source, label.evidence) == ("name", "curated scdn.co")


# --- names that are not in it


@pytest.mark.parametrize(
    ("hostname", "domain"),
    [
        ("www.example.com", "example.com"),
        ("a.b.c.example.co.uk", "example.co.uk"),
        ("project.github.io", "project.github.io"),
        ("b.c.kobe.jp", "b.c.kobe.jp"),  # *.kobe.jp
        ("www.city.kobe.jp", "city.kobe.jp"),  # !city.kobe.jp
        ("www.xn--bcher-kva.ch", "xn--bcher-kva.ch"),
        ("www.example.xn--p1ai", "example.xn--p1ai"),
        ("_dmarc.example.org", "example.org"),
    ],
)
def test_another_name_belongs_to_its_registered_domain(hostname, domain):
    assert app(hostname) == domain


def test_a_registered_domain_says_below_which_public_suffix():
    assert app_of_hostname("www.example.co.uk").evidence == "public suffix co.uk"


@pytest.mark.parametrize("before", ["", "example.", "www.example."])
def test_every_rule_of_the_public_suffix_list_holds_as_in_the_whole_list(before):
    whole = PublicSuffixList(accept_unknown=False)
    lines = Path(PSLFILE).read_text(encoding="utf-8").splitlines()
    rules = {line.split()[0].lstrip("*.!") for line in lines if line.strip() and not line.startswith("//")}
    hosts = {f"{before}{rule}".encode("idna").decode() for rule in rules}

    told = {host: app_of_hostname(host) for host in hosts if "." in host and not host.endswith(".arpa")}
    unlisted = {host: label and label.app for host, label in told.items() if not _is_curated(label)}

    assert len(unlisted) > 5000
    assert unlisted == {host: whole.privatesuffix(host) or whole.publicsuffix(host) for host in unlisted}


def test_a_name_that_is_itself_a_public_suffix_stands_for_itself():
    assert app("github.io") == "github.io"


@pytest.mark.parametrize(
    "hostname",
    ["EXAMPLE.com", "www.example.com.", "example.com:8080", "www.example.com.:443", "*.example.com", "example.com:"],
)
def test_case_port_last_dot_and_wildcard_change_nothing(hostname):
    assert app(hostname) == "example.com"


@pytest.mark.parametrize(
    "hostname",
    [
        "", ".", "localhost", "printer", "com",  # one label
        "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", "[::1", "1.2.3",  # addresses
        "nas.local", "wiki.corp", "host.lan", "a.test", "_spotify-connect._tcp.local",  # not in the public DNS
        "1.2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa", "router.home.arpa",  # infrastructure
    ],
)  # fmt: skip
def test_a_name_that_nobody_registered_names_no_app(hostname):
    assert app(hostname) is None


@pytest.mark.parametrize(
    "hostname",
    [
        "a..example.com", ".example.com", "example.com..", "www.*.example.com", "exa mple.com", "example.com/path",
        "user@example.com", "http://example.com", "example.com:80:80", "example.com:123456", "%s", "example.com\n",
        "\x1b[31mexample.com", "example\0.com", r"ex\xffample.com", "a" * 64 + ".com", "a." * 126 + "com", "a" * 60000,
        "\u202eexample.com", "b\u00fccher.ch", "\u212aakao.com", "g\u043e\u043egle.com",
    ],
)  # fmt: skip
def test_what_cannot_be_a_host_name_names_no_app(hostname):
    assert app(hostname) is None


@given(st.text(max_size=300) | st.from_regex(r"[a-z0-9.\-_:*\[\]\\]{0,300}", fullmatch=True))
def test_any_text_has_an_answer_fit_for_a_column(hostname):
    label = app_of_hostname(hostname)

    assert label is None or re.fullmatch(r"[a-z0-9._-]{1,253}", label.app)


@given(st.sampled_from(sorted(SUFFIXES)), st.sampled_from(["", "www.", "a-1.b_2."]), st.sampled_from(["", ".", ":443"]))
def test_every_suffix_answers_as_a_search_through_the_whole_list_does(suffix, before, after):
    hostname = before + suffix
    ends = [other for other in SUFFIXES if hostname == other or hostname.endswith("." + other)]

    assert app(hostname + after) == (SUFFIXES[max(ends, key=len)] if "." in hostname else None)


# --- cost


def test_nothing_is_read_before_the_first_name_and_no_public_suffix_before_an_unlisted_one():
    program = (
        "import sys\n"
        "from portcall.labels import hostnames as apps\n"
        "print(apps._app_of_suffix.cache_info().currsize, 'publicsuffixlist' in sys.modules)\n"
        "apps.app_of_hostname('i.scdn.co'); print('publicsuffixlist' in sys.modules)\n"
        "apps.app_of_hostname('example.com'); print('publicsuffixlist' in sys.modules)\n"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert told.split() == ["0", "False", "False", "True"]


def test_what_is_remembered_is_bounded():
    assert app_of_hostname.cache_info().maxsize is not None


def test_twenty_thousand_new_names_take_less_than_a_second():
    names = [f"r{number}---sn-4g5e6nsz.googlevideo.com" for number in range(20_000)]
    app_of_hostname("www.youtube.com")  # reads the list

    before = process_time()
    told = {app_of_hostname(name).app for name in names}

    assert told == {"youtube"}
    assert process_time() - before < 1  # 0.03 s where nothing else runs
