"""What others know of addresses: countries, networks, reverse DNS."""
