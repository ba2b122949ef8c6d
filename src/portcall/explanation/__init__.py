"""What a port, an address, a socket or a flow is, in sentences; the tutorial and the quiz."""
