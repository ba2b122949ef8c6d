"""The list of names that cover others."""

from pathlib import Path

import pytest

import portcall
from portcall.labels.cover_names import is_cover_name

LIST = Path(portcall.__file__).parent / "data" / "cover_names.txt"


@pytest.mark.parametrize("name", ["cloudflare-ech.com", "Cloudflare-ECH.com", "cloudflare-ech.com."])
def test_a_listed_name_is_a_cover_in_any_case_and_with_its_last_dot(name):
    assert is_cover_name(name)


@pytest.mark.parametrize("name", ["", "www.cloudflare-ech.com", "com", "example.com", "#"])
def test_no_other_is(name):
    assert not is_cover_name(name)


def test_each_has_its_source_and_is_written_once_in_lower_case():
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    names = [line.partition(" ")[0] for line in lines]

    assert all("  # " in line for line in lines)
    assert names == [name.lower() for name in dict.fromkeys(names)]
