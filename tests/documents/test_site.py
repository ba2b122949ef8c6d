"""The site is built strictly, shows what GitHub shows, and loads nothing from other hosts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

pytest.importorskip("mkdocs", reason="needs the extra docs: pip install 'portcall[docs]'")

import site_hooks

ROOT = Path(__file__).resolve().parents[2]
SHAPES = ("h1", "h2", "h3", "ul", "ol", "li", "table", "tr", "td", "pre", "img", "blockquote")
SOURCES = {place: ROOT / path for path, place in site_hooks.BESIDE.items()} | {
    str(path.relative_to(ROOT / "docs")): path for path in sorted(ROOT.glob("docs/**/*.md"))
}


def built(*words):
    """Exit status and what MkDocs says; ``--quiet`` would keep ``strict`` from counting warnings."""
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site built as ``make site`` does."""
    folder = tmp_path_factory.mktemp("site")
    status, said = built("--site-dir", str(folder))
    assert status == 0, said
    return folder


class _Shapes(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.counts = Counter()
        self.feed(html)

    def handle_starttag(self, tag, _):
        if tag in SHAPES:
            self.counts[tag] += 1


def content(html):
    """A page's own part, without navigation."""
    return html.partition('role="main">')[2].partition("<footer")[0]


def test_every_page_has_the_shapes_that_github_gives_it(site):
    markdown = MarkdownIt("commonmark").enable("table")
    shapes = {
        place: (_Shapes(markdown.render(path.read_text(encoding="utf-8"))).counts, _Shapes(page).counts)
        for place, path in SOURCES.items()
        for page in [content((site / place).with_suffix(".html").read_text(encoding="utf-8"))]
    }

    assert {place: counts for place, counts in shapes.items() if counts[0] != counts[1]} == {}


def test_no_page_loads_anything_from_another_host(site):
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}

    assert len(pages) > len(SOURCES)
    assert {path.name: found for path, page in pages.items() if (found := site_hooks.loaded_from_elsewhere(page))} == {}


def test_no_style_and_no_picture_loads_anything_from_another_host(site):
    texts = {path: path.read_text(encoding="utf-8") for kind in ("css", "svg") for path in site.rglob(f"*.{kind}")}

    assert len(texts) > 3
    assert [path.name for path, text in texts.items() if site_hooks.style_loads_from_elsewhere(text)] == []


def test_every_file_that_a_page_leads_to_is_in_the_site(site):
    links = {
        (page, link)
        for page in site.rglob("*.html")
        if page.name != "404.html"  # its links begin at the site's root
        for link in re.findall(r'(?:href|src)="([^":#]+)["#]', page.read_text(encoding="utf-8"))
    }

    assert len(links) > 1000
    assert {(page.name, link) for page, link in links if not (page.parent / link).exists()} == set()


def test_a_link_that_leads_nowhere_and_a_script_from_elsewhere_end_the_build(tmp_path):
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    page = tmp_path / "docs" / "page.md"
    page.write_text('# Page\n\n[x](gone.md) [y](#gone)\n\n<script src="https://example.org/a.js"></script>\n')
    own = {"INHERIT": str(ROOT / "mkdocs.yml"), "hooks": [str(ROOT / "tools" / "site_hooks.py")], "nav": ["page.md"]}
    (tmp_path / "mkdocs.yml").write_text(json.dumps(own))

    status, said = built("--config-file", str(tmp_path / "mkdocs.yml"))

    assert status == 1
    assert "page.md loads https://example.org/a.js from another host" in said
    assert "'page.md' contains a link 'gone.md'" in said
    assert "'page.md' contains a link '#gone'" in said


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example.org/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/css">',
        "<img src='HTTP://example.org/a.png'>",
        '<iframe src=" https://example.org"></iframe>',
        "<style>@import 'https://example.org/a.css'</style>",
        '<p style="background: url(https://example.org/a.png)">',
    ],
)
def test_what_a_page_would_load_from_another_host_is_found(page):
    assert site_hooks.loaded_from_elsewhere(page)


def test_a_link_to_click_loads_nothing():
    assert site_hooks.loaded_from_elsewhere('<a href="https://example.org">x</a><img src="images/a.png">') == []


@pytest.mark.parametrize(
    ("place", "link", "there"),
    [
        ("index.md", "docs/live.md#rights", "live.md#rights"),
        ("live.md", "../README.md", "index.md"),
        ("decisions/0009-hpack.md", "../../SECURITY.md", "../reporting.md"),
        ("index.md", "docs/decisions", "decisions/index.md"),
        ("index.md", "captures/CATALOGUE.toml", "files/captures/CATALOGUE.toml.txt"),
        ("index.md", "docs/gone.md", "gone.md"),
    ],
)
def test_a_link_of_the_repository_is_one_of_the_site(place, link, there):
    assert site_hooks.with_site_links(f"[x]({link})", place) == f"[x]({there})"


@pytest.mark.parametrize("code", ["`[x](docs/a.md)`", "    [x](docs/a.md)\n", "```sh\n[x](docs/a.md)\n```"])
def test_code_keeps_what_looks_like_a_link(code):
    assert site_hooks.with_site_links(code, "index.md") == code
