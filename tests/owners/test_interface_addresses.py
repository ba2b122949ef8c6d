"""The addresses of interfaces, as the kernel tells them, against what psutil says of the same machine."""

from __future__ import annotations

import sys

import pytest

from portcall.owners import interface_addresses, psutil_listing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")


def test_the_kernel_and_psutil_tell_the_same_addresses_and_networks():
    asked, listed = interface_addresses.interface_networks(), psutil_listing.interface_networks()

    assert {(one.interface, one.address) for one in asked} == {(one.interface, one.address) for one in listed}
    assert asked
