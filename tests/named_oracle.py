"""A second reader of captures that name processes, written from the layouts alone, slow and plain.

For each frame: its two (address, port), the way it went, and whom it names as (pid, name), by the first of option 8,
Darwin's options, comments, the header before it and the trailer behind it. It takes in a whole section before it looks
for a pid's block.
"""

from __future__ import annotations

import ipaddress
import re
import struct

RUSTNET = re.compile(r"rustnet (?:process=(\S*) )?(?:pid=(\d+))?")
APPLE = re.compile(r"PID: (-?\d+), ProcName: (.*), EPID: (-?\d+), EProcName: (.*), SVC: ")


def named_frames(data):
    """A list of (source, target, way, [(pid, name), …]) of a capture."""
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return [frame for part in _sections(data) for frame in _of_section(*part)]
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    link = struct.unpack_from(order + "I", data, 20)[0]
    at, frames = 24, []
    while at < len(data):
        length = struct.unpack_from(order + "I", data, at + 8)[0]
        frames.append(_of_frame(data[at + 16 : at + 16 + length], link, 0, []))
        at += 16 + length
    return frames


def _sections(data):
    at, order, blocks = 0, "<", []
    while at < len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            if blocks:
                yield order, blocks
            order, blocks = "<" if data[at + 8] == 0x4D else ">", []
        kind, length = struct.unpack_from(order + "II", data, at)
        blocks.append((kind, data[at + 8 : at + length - 4]))
        at += length
    yield order, blocks


def _of_section(order, blocks):
    processes, darwin, users, links = [], [], {}, []
    for place, (kind, body) in enumerate(blocks):
        if kind == 0xBAD:
            enterprise = struct.unpack_from(order + "I", body)[0]
            if enterprise == 32622 and struct.unpack_from("<I", body, 4)[0] == 3:
                pid = struct.unpack_from("<I", body, 12)[0]
                said = dict(reversed(_options(body[16 : 12 + struct.unpack_from("<I", body, 8)[0]], "<")))
                start = struct.unpack("<Q", said[9])[0] if 9 in said else None
                processes.append((place, pid, start, said.get(2, b"").decode("utf-8", "replace")))
            if enterprise == 62652:
                user, package, name = struct.unpack_from(order + "IBB", body, 8)
                users[user] = body[14 + package : 14 + package + name].decode()
        elif kind == 0x80000001:
            said = dict(_options(body[4:], order))
            darwin.append((struct.unpack_from(order + "I", body)[0], said.get(2, b"").decode()))
    for place, (kind, body) in enumerate(blocks):
        if kind == 1:
            links.append(struct.unpack_from(order + "H", body)[0])
        if kind == 6:
            index, high, low, captured, _ = struct.unpack_from(order + "IIIII", body)
            said = _options(body[20 + captured + (-captured % 4) :], order)
            way = next((struct.unpack(order + "I", value)[0] & 3 for code, value in said if code == 2), 0)
            time_ns = (high << 32 | low) * 1000
            names = [
                _block(struct.unpack_from(order + "I", value)[0], processes, place, time_ns)
                for code, value in said
                if code == 8
            ]
            by_place = {
                code: darwin[struct.unpack(order + "I", value)[0]] for code, value in said if code in (0x8001, 0x8003)
            }
            comments = [value.decode("utf-8", "replace") for code, value in said if code == 1]
            if not any(names):
                names = [by_place[code] for code in (0x8003, 0x8001) if code in by_place][:1] or _of_comments(
                    comments, users
                )
            yield _of_frame(body[20 : 20 + captured], links[index], way, names)


def _options(data, order):
    found, at = [], 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            break
        found.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + length + (-length % 4)
    return found


def _block(pid, processes, place, time_ns):
    if not pid:
        return None
    blocks = [one for one in processes if one[1] == pid]
    before = [one for one in blocks if one[0] < place]
    begun = [one for one in before if one[2] is None or one[2] <= time_ns]
    chosen = (begun or before)[-1:] or blocks[:1]
    return pid, chosen[0][3] if chosen else "unknown"


def _of_comments(comments, users):
    for text in comments:
        if text.startswith("u-"):
            return [(None, users[int(text[2:])])]
        if (found := RUSTNET.match(text)) and any(found.groups()):
            return [(int(found[2]) if found[2] else None, found[1])]
        if found := APPLE.match(text):
            return [(int(found[3]), found[4]) if int(found[3]) > 0 else (int(found[1]), found[2])]
    lines = [line.split(": ", 1) for text in comments for line in text.split("\n") if ": " in line]
    said = dict(reversed(lines))
    if "PID" not in said:
        return []
    command = said.get("Cmd") or said.get("Command") or "unknown"
    return [(int(said["PID"]), command.rsplit("/", 1)[-1])]


def _of_frame(frame, link, way, names):
    if link in (149, 258):
        flags = struct.unpack_from("<I", frame, 36)[0]
        if flags & 0x80000:
            pid, effective = struct.unpack_from("<ii", frame, 28)
            texts = [frame[at : at + 17].split(b"\0")[0].decode() if at else "" for at in frame[4:6]]
            header, link = frame[0], struct.unpack_from("<H", frame, 6)[0]
        else:
            pid, effective = struct.unpack_from("<i", frame, 52)[0], struct.unpack_from("<i", frame, 84)[0]
            texts = [frame[at : at + 17].split(b"\0")[0].decode() for at in (56, 88)]
            header, link = struct.unpack_from("<I", frame)[0], struct.unpack_from("<I", frame, 8)[0]
        names = [(effective, texts[1]) if effective > 0 else (pid, texts[0])] if max(pid, effective) > 0 else []
        return _of_frame(frame[header:], link, flags & 3, names)
    if frame[-32:-28] == b"\x01\x07\x20\x21":
        names = [(None, frame[-24:-4].split(b"\0")[0].decode())]
    ip = frame[14:] if link == 1 else frame
    is_ipv4 = ip[0] >> 4 == 4
    at = 20 if is_ipv4 else 40
    packed = (ip[12:16], ip[16:20]) if is_ipv4 else (ip[8:24], ip[24:40])
    ends = zip(map(str, map(ipaddress.ip_address, packed)), struct.unpack_from(">HH", ip, at), strict=True)
    return (*ends, way, [name for name in names if name])
