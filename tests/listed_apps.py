"""``data/apps.toml`` as a TOML parser reads it: the oracle of the quick reader, and what the list may not say."""

from __future__ import annotations

import sys
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class ListedApp(NamedTuple):
    name: str
    title: str
    category: str
    suffixes: list[str]


def read_apps(text):
    """The list from TOML text, by name; ValueError where a name stands twice."""
    apps = {}
    for entry in tomllib.loads(text)["app"]:
        app = ListedApp(**entry)
        if app.name in apps:
            raise ValueError(f"{app.name} is listed twice")
        apps[app.name] = app
    return apps


def suffixes_of(apps):
    """The name of the app of each suffix; ValueError where one stands twice."""
    names = {}
    for app in apps.values():
        for suffix in app.suffixes:
            if suffix in names:
                raise ValueError(f"{suffix} is listed twice, for {names[suffix]} and {app.name}")
            names[suffix] = app.name
    return names
