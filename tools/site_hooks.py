"""What the site has besides MkDocs: pages from beside ``docs/``, links as GitHub reads them, nothing from other hosts.

Links in our pages are paths in the repository. A target is a page of the site, the list of decisions, or a file that is
copied into the site as text. Any other has no place there, so MkDocs refuses it (``strict``).
"""

from __future__ import annotations

import logging
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
BESIDE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages outside ``docs/`` → their place in the site."""
DECISIONS = "decisions/index.md"
LINK = re.compile(r"\]\((?P<path>[^):#\s]+)(?P<rest>(?:#[^)\s]*)?)\)")
CODE = re.compile(r"(^ *```.*?^ *```$|^(?: {4}[^\n]*\n)+|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
LOADED = {"src", "srcset", "poster", "data", "action", "background"}
"""Attributes whose address a browser asks for by itself, beside the ``href`` of ``link``."""
_NO_HIGHLIGHTING = '<link id="hljs-light"><link id="hljs-dark">'
"""What the theme's switch of colours fails without, though ``highlightjs`` is off (MkDocs 1.6.1)."""
_OTHER_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_CSS_LOADS = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])(?:https?:)?//""", re.IGNORECASE)

_log = logging.getLogger("mkdocs.plugins.site_hooks")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Headings get the anchors that they have on GitHub."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = anchor
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The pages beside ``docs/``, the list of decisions, and the files that pages link to, join those of ``docs/``."""
    for path, place in BESIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, DECISIONS, content=_decisions()))
    linked = {target for file in files.documentation_pages() for target in _targets(file)}
    for target in sorted(linked):
        if not _is_page(target) and not target.startswith("docs/") and (ROOT / target).is_file():
            files.append(File.generated(config, _copy(target), content=(ROOT / target).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page, its links pointing to places in the site."""
    del config, files
    return with_site_links(markdown, page.file.src_uri)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """The page with its colours switchable, after a warning for each thing that it would load from another host."""
    del config
    for address in loaded_from_elsewhere(output):
        _log.warning("%s loads %s from another host", page.file.src_uri, address)
    return output.replace("</head>", f"{_NO_HIGHLIGHTING}</head>", 1)


def anchor(title: str, separator: str) -> str:
    """What GitHub makes of a heading, and a link names behind ``#``."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", separator)


def with_site_links(markdown: str, place: str) -> str:
    """The text of the page at this place of the site; code is left alone."""

    def rewritten(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(_source(place)), link["path"]))
        there = posixpath.relpath(_place(target), posixpath.dirname(place) or ".")
        return f"]({there}{link['rest']})"

    parts = CODE.split(markdown)
    return "".join(part if index % 2 else LINK.sub(rewritten, part) for index, part in enumerate(parts))


def loaded_from_elsewhere(page: str) -> list[str]:
    """Addresses on other hosts that a browser would ask for to show this HTML; links to click are none."""
    reader = _LoadedAddresses()
    reader.feed(page)
    return [address for address in reader.addresses if _OTHER_HOST.match(address.strip())] + reader.styles


def style_loads_from_elsewhere(style: str) -> bool:
    """Whether CSS would load a font, a picture or more CSS from another host."""
    return bool(_CSS_LOADS.search(style))


class _LoadedAddresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADED or (tag == "link" and name == "href"):
                self.addresses.append(value or "")
            elif name == "style":
                self.handle_data(value or "")

    def handle_data(self, data: str) -> None:
        self.styles += [match[0] for match in _CSS_LOADS.finditer(data)]


def _decisions() -> str:
    """A page that lists all decisions by their titles."""
    titles = []
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        titles.append(f"- [{title.replace('. ', ' · ', 1)}]({path.name})")
    return "# Decisions\n\nWhat was decided, on which evidence, and what would change our mind.\n\n" + "\n".join(titles)


def _targets(file: File) -> set[str]:
    """The files of the repository that a page links to, outside its code."""
    parts = CODE.split(file.content_string)[::2]
    folder = posixpath.dirname(_source(file.src_uri))
    return {posixpath.normpath(posixpath.join(folder, link["path"])) for part in parts for link in LINK.finditer(part)}


def _source(place: str) -> str:
    """The path in the repository of the page at a place of the site."""
    return next((path for path, beside in BESIDE.items() if beside == place), f"docs/{place}")


def _place(target: str) -> str:
    """Where in the site a path of the repository is."""
    if target == "docs/decisions":
        return DECISIONS
    if _is_page(target) or target.startswith("docs/"):
        return BESIDE.get(target, target.removeprefix("docs/"))
    return _copy(target)


def _is_page(target: str) -> bool:
    return target in BESIDE or (target.startswith("docs/") and target.endswith(".md"))


def _copy(target: str) -> str:
    """Where a file that is no page is copied to: as text, which browsers show."""
    return f"files/{target}.txt"
