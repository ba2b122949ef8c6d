"""What conversations say, message by message, for formats that log it: one module per log.

Each follows one conversation: bytes in order go in, LogEntry come out. Bytes are hostile: what is none of the protocol
ends the listening, and never raises.
"""
