"""Numbers to names: port to service, host name to app, address to kind."""
