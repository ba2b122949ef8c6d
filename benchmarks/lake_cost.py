"""What a lake costs, by a model whose assumptions are options: ``lake_cost.py [TERABYTES …]``.

Three things are paid: reading (bytes over a link, and processors per packet), what goes on to a shuffle (conversations
that were open at the end of a range), and rows written. ``--simulate`` makes up conversations, cuts their time into
ranges, and counts how many are open at a cut: that is the one figure which no price list has.
"""

from __future__ import annotations

import argparse

import numpy as np

_SEED = 1
_TB = 10**12
_HOUR_S = 3600


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("terabytes", nargs="*", type=float, default=[1, 10, 100, 1000])
    parser.add_argument("--frame-bytes", type=float, default=560, help="of a packet as it is stored (%(default)s)")
    parser.add_argument("--packets", type=float, default=25, help="of a conversation (%(default)s)")
    parser.add_argument("--read-us", type=float, default=0.8, help="processor time of a packet (%(default)s)")
    parser.add_argument("--row-us", type=float, default=10, help="of a row: parts, merging, names (%(default)s)")
    parser.add_argument("--row-bytes", type=float, default=60, help="of a row as Parquet (%(default)s)")
    parser.add_argument("--link-mb-s", type=float, default=60, help="of a processor from the store (%(default)s)")
    parser.add_argument("--range-s", type=float, default=900, help="time that a range spans (%(default)s)")
    parser.add_argument("--idle-s", type=float, default=60, help="silence that ends a conversation (%(default)s)")
    parser.add_argument("--range-bytes", type=float, default=256e6, help="that a task reads (%(default)s)")
    parser.add_argument("--cpu-hour", type=float, default=0.04, help="price of a processor's hour (%(default)s)")
    parser.add_argument("--requests", type=float, default=0.4e-6, help="price of a read request of 4 MB (%(default)s)")
    parser.add_argument("--cpus", type=int, default=1000, help="processors of the cluster (%(default)s)")
    told = parser.parse_args()
    share = open_share(told.range_s, told.idle_s)
    print(f"open at the end of a range of {told.range_s:g} s, {told.idle_s:g} s idle: {share:.1%} of conversations")
    heads = {
        "TB": 6,
        "tasks": 9,
        "CPU hours": 10,
        "wait hours": 11,
        "shuffle GB": 11,
        "rows GB": 8,
        "price": 8,
        "hours": 6,
    }
    print(" ".join(f"{name:>{width}}" for name, width in heads.items()), " hours")
    for terabytes in told.terabytes:
        stored = terabytes * _TB
        packets = stored / told.frame_bytes
        rows = packets / told.packets
        cpu_s = packets * told.read_us / 1e6 + rows * told.row_us / 1e6
        link_s = stored / (told.link_mb_s * 1e6)
        held_s = max(cpu_s, link_s)
        price = held_s / _HOUR_S * told.cpu_hour + stored / 4e6 * told.requests
        print(
            f"{terabytes:>6g} {stored / told.range_bytes:>9.0f} {cpu_s / _HOUR_S:>10.1f} {link_s / _HOUR_S:>11.1f} "
            f"{rows * share * 216 / 1e9:>11.1f} {rows * told.row_bytes / 1e9:>8.1f} {price:>8.2f} "
            f"{held_s / _HOUR_S / told.cpus:>6.2f}"
        )


def open_share(range_s: float, idle_s: float, conversations: int = 200_000) -> float:
    """Which share of conversations, of lasting lengths as on a campus link, is near an end of its range."""
    chance = np.random.default_rng(_SEED)
    begins = chance.uniform(0, 20 * range_s, conversations)
    lengths = chance.lognormal(1.0, 2.2, conversations)  # a median of 2.7 s, and a tail of hours
    ends = begins + lengths
    first_range, last_range = begins // range_s, ends // range_s
    after, before = begins % range_s, range_s - ends % range_s
    is_over = (first_range == last_range) & (after > idle_s + 1) & (before > idle_s + 1)
    return float(1 - is_over.mean())


if __name__ == "__main__":
    main()
