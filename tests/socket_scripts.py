"""Small programs that send and receive in one way each, and say exactly what: for tests of whose the packets were.

Each gets the address of a far host that echoes, over IPv4 and over IPv6, and prints ``pid sent received`` for every
process that took part: payload bytes as its sockets carried them. What this kernel lacks ends it with status 77.
"""

PORT = 7007
LACKING = 77

FAR_HOST = f"""
import selectors, socket, sys
PORT = {PORT}
chooser = selectors.DefaultSelector()

def listen(family, kind, protocol=0):
    try:
        s = socket.socket(family, kind, protocol)
    except OSError:
        return
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", PORT if kind != socket.SOCK_RAW else 0))
    if kind == socket.SOCK_STREAM:
        s.listen(200)
        chooser.register(s, selectors.EVENT_READ, accept)
    else:
        chooser.register(s, selectors.EVENT_READ, answer if kind == socket.SOCK_DGRAM else answer_raw)

def accept(s):
    connection, _ = s.accept()
    chooser.register(connection, selectors.EVENT_READ, echo)

def echo(connection):
    content = connection.recv(1 << 16)
    if content:
        connection.sendall(content)
    else:
        chooser.unregister(connection)
        connection.close()

def answer(s):
    content, peer = s.recvfrom(1 << 16)
    s.sendto(content, peer)

def answer_raw(s):
    content, peer = s.recvfrom(1 << 16)
    s.sendto(content[20:], peer)  # after the IPv4 header

for family in (socket.AF_INET, socket.AF_INET6):
    listen(family, socket.SOCK_STREAM)
    listen(family, socket.SOCK_DGRAM)
    listen(family, socket.SOCK_DGRAM, 136)
    listen(family, socket.SOCK_STREAM, 132)
listen(socket.AF_INET, socket.SOCK_RAW, 253)
print("up", flush=True)
while True:
    for key, _ in chooser.select():
        key.data(key.fileobj)
"""

COMMON = f"""
import errno, os, socket, struct, sys
PORT = {PORT}
V4, V6 = sys.argv[1:3]

def lacks(what):
    print("lacks", what)
    sys.exit({LACKING})

def open_socket(*kind):
    try:
        return socket.socket(*kind)
    except OSError as error:
        lacks(f"socket{{kind}}: {{error.strerror}}")

def tell(sent, received):
    print(os.getpid(), sent, received, flush=True)

def receive(s, count):
    left = count
    while left:
        got = len(s.recv(min(left, 1 << 16)))
        assert got, "ended early"
        left -= got

def checksum(data):
    total = sum(struct.unpack(f"!{{len(data) // 2}}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
"""

PING = """
def ping(target, kind, identifier, count=3, size=56):
    is_ipv6 = ":" in target
    family, protocol = (socket.AF_INET6, 58) if is_ipv6 else (socket.AF_INET, 1)
    with open_socket(family, kind, protocol) as s:
        s.settimeout(5)
        if kind == socket.SOCK_DGRAM:
            s.bind(("", identifier))
        for number in range(count):
            head = struct.pack("!BBHHH", 128 if is_ipv6 else 8, 0, 0, identifier, number) + bytes(size)
            s.sendto(head[:2] + struct.pack("!H", checksum(head)) + head[4:], (target, 0))
            wanted, answer = struct.pack("!HH", identifier, number), b""
            while answer[:1] != (b"\\x81" if is_ipv6 else b"\\0") or answer[4:8] != wanted:
                answer = s.recv(1 << 16)
                answer = answer[20:] if kind == socket.SOCK_RAW and not is_ipv6 else answer
"""

SCRIPTS = {
    "ping by a ping socket": PING + "ping(V4, socket.SOCK_DGRAM, 801); tell(3 * 56, 3 * 56)",
    "ping by a ping socket, IPv6": PING + "ping(V6, socket.SOCK_DGRAM, 802); tell(3 * 56, 3 * 56)",
    "ping by a raw socket": PING + "ping(V4, socket.SOCK_RAW, 803); tell(3 * 56, 3 * 56)",
    "ping by a raw socket, IPv6": PING + "ping(V6, socket.SOCK_RAW, 804); tell(3 * 56, 3 * 56)",
    "two pings at once": PING
    + """
for child in range(2):
    if not os.fork():
        ping(V4, socket.SOCK_RAW, 810 + child, count=20 + child)
        tell((20 + child) * 56, (20 + child) * 56)
        os._exit(0)
for child in range(2):
    assert os.wait()[1] == 0
""",
    "two pings with one identifier, one after the other": PING
    + """
for child in range(2):
    if not os.fork():
        ping(V4, socket.SOCK_RAW, 820, count=2 + child)
        tell((2 + child) * 56, (2 + child) * 56)
        os._exit(0)
    assert os.wait()[1] == 0
""",
    "pings larger than a packet": PING + "ping(V4, socket.SOCK_RAW, 830, size=4000); tell(3 * 4000, 3 * 4000)",
    "a flood of pings": PING + "ping(V4, socket.SOCK_RAW, 840, count=2000); tell(2000 * 56, 2000 * 56)",
}
