"""Root's own fixtures."""

import pytest

from namespaces import in_a_network_of_its_own


@pytest.fixture(scope="module")
def alone_on_loopback():
    """What a module's tests start has a loopback of its own: other suites talk on the machine's meanwhile.

    Not for owners by netlink: only the machine's first network namespace has a process connector.
    """
    with in_a_network_of_its_own():
        yield
