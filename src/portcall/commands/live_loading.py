"""What ``live`` imports before it gives up rights, as it may not be allowed to read it afterwards."""

from __future__ import annotations

from importlib import import_module

from portcall.exports import LOGS, MODULES, PAGES, TRAFFIC_ONLY

_LATER = (
    *("sqlite3", "fcntl", "pwd", "rich.live", "numpy.ma", "hashlib", "hmac", "uuid", "hpack"),
    *("cryptography.x509.oid", "cryptography.exceptions", "cryptography.hazmat.primitives.ciphers.aead"),
    *("cryptography.hazmat.primitives.ciphers.algorithms", "cryptography.hazmat.primitives.ciphers.modes"),
    *("encodings.ascii", "encodings.latin_1"),  # modules as well, which open() looks for when it is first asked
)
"""Packages that are imported where they are used, which is then."""


_SCREEN = (
    *(
        f"portcall.{name}"
        for name in ("runs.screens.live_screen", "views.screen.application", "views.screen.background")
    ),
    *("portcall.views.screen.palette", "pyparsing", "termios", "tty"),
    *("textual.layouts.factory", "textual.layouts.horizontal", "textual.layouts.stream", "rich.traceback"),
)
"""The same for the screen."""


def load_what_comes_later(*, with_screen: bool = False) -> None:
    """Import what is needed then, as the invoking user may not be allowed to read where it is installed.

    ``with_screen``: also what that needs.
    """
    for name in (
        "runs.live_loop",
        "runs.live",
        "runs.following.live_intervals",
        "commands.following.interval_outputs",
        "archive.store",
        "runs.keeping.window_keeper",
        "inspection.server_names",
        "flows.packet_order",
        "exports._row_writer",
        "enrichment.reverse_dns",
        "inspection.logs.conversation_logs",
        "views.live",
        "views.tables",
        *(
            f"exports.{module}"
            for module in (*MODULES.values(), *LOGS.values(), *TRAFFIC_ONLY.values(), *PAGES.values())
        ),
    ):
        import_module(f"portcall.{name}")
    for name in (*_LATER, *(_SCREEN if with_screen else ())):
        import_module(name)
    import_module("portcall.views.live").rehearse()
    import_module("portcall.exports.html_page").assets()
    import_module("portcall.dissectors").find_dissectors()
    import_module("portcall.labels.port_services").service_id_of("dns")  # the lists, which are read at a first question
    import_module("portcall.labels.port_services").ranks_of(6)
    import_module("portcall.labels.cover_names").is_cover_name("www.example.com")
    if with_screen:
        import_module("portcall.runs.screens.screen_feed").rehearse()
    for name in ("www.example.com", "www.example.xn--p1ai"):
        import_module("portcall.labels.hostnames").app_of_hostname(name)
