"""What the checks of packages compare; ``make package-check`` installs and removes the packages themselves."""

from __future__ import annotations

import package_check


def test_what_a_removed_package_leaves_is_told_but_not_what_installers_note():
    before = {"usr", "usr/share", "var/lib/dpkg/status"}
    after = before | {
        "usr/share/zsh",
        "var/lib/rpm",
        "var/lib/rpm/rpmdb.sqlite",
        "var/lib/dpkg/status-old",
        "etc/portcall",
    }

    assert package_check.left_behind(before, after) == ["etc/portcall", "usr/share/zsh"]


def test_nothing_below_a_root_is_overlooked(tmp_path):
    (tmp_path / "usr" / "share").mkdir(parents=True)
    (tmp_path / "usr" / "link").symlink_to("/nonexistent")

    assert package_check.below(tmp_path) == {"usr", "usr/share", "usr/link"}
