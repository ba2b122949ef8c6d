"""Which services of our list are spoken inside HTTP, and which may be hidden in TLS.

A port alone says little. Where its conversation begins with HTTP, a service that speaks something else would have been
recognised by that, or at least is not what is there. Where it begins with TLS, nobody sees what is inside, and the port
is the best that there is, unless the service is never in TLS, or is recognised by what its client says before.
"""

from __future__ import annotations

import re

SPOKEN_OVER_HTTP = (
    frozenset({"http-dev", "jupyter", "tensorboard", "gradio", "streamlit", "ray", "ollama", "livereload", "squid"})
    | {"node-inspector", "winrm", "winrms", "webmin", "proxmox", "ipp", "couchdb", "neo4j", "neo4j-http", "influxdb"}
    | {"elasticsearch", "kibana", "rabbitmq-ui", "docker", "docker-tls", "kubernetes-api", "kubelet", "etcd"}
    | {"etcd-peer", "consul", "vault", "nomad", "prometheus", "alertmanager", "loki", "otlp", "jaeger", "netdata"}
    | {"plex", "jellyfin", "airplay", "home-assistant", "spotify-connect"}
)
"""Services whose clients send HTTP requests, or begin with one, as WebSocket does (Neo4j)."""

NEVER_IN_TLS = (
    # recognised in the clear, where TLS would come after
    frozenset({"http", "http-alt", "https", "https-alt", "ssh", "telnet", "ftp", "smtp", "imap", "pop3", "dns", "irc"})
    | {"ldap", "smb", "mysql", "redis", "mongodb", "vnc", "mqtt", "amqp", "sip", "rtsp", "ntp", "snmp", "bgp"}
    # ciphers of their own, or none at all
    | {"bittorrent", "bitcoin", "ethereum", "minecraft", "minecraft-bedrock", "steam", "socks", "tor-socks", "adb"}
    | {"x11", "rsync", "svn", "git", "nfs", "rpcbind", "afp", "netbios-ssn", "netbios-ns", "netbios-dgm", "whois"}
    | {"tftp", "dhcp", "dhcpv6", "kerberos", "tacacs", "ike", "ipsec-nat-t", "openvpn", "wireguard", "tailscale"}
    | {"zerotier", "mosh", "pptp", "l2tp", "vxlan", "geneve", "gtp-u", "gtp-c", "teredo", "rip", "iso-tsap"}
)
_TOR_NAME = re.compile(r"www\.(?=[a-z]*[2-7]|[a-z2-7]*[b-df-hj-np-tv-xz]{5})[a-z2-7]{4,25}\.(?:com|net)", re.ASCII)
"""A name that Tor makes up for its hello: ``crypto_random_hostname`` (tor, src/lib/tls), of base32's letters.

Who means a word hardly has such digits in it, or five consonants in a row: nearly all names made up of ten letters do.
"""


def may_be_in_tls(service: str, name: str | None) -> bool:
    """Whether TLS on the port of a service may carry it; ``name``: the server's, where the hello has one.

    A relay of Tor is asked for by a name that was made up, so another name is another server's.
    """
    if service == "tor" and name is not None:
        return is_made_up(service, name)
    return service not in NEVER_IN_TLS


def is_made_up(service: str | None, name: str) -> bool:
    """Whether clients of a service make up such a name for its servers, so that it tells of none."""
    return service == "tor" and _TOR_NAME.fullmatch(name) is not None
