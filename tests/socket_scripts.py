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
    os.write(1, f"{{os.getpid()}} {{sent}} {{received}}\\n".encode())  # in one piece, as others write too

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

MADE_BY_HAND = """
def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((V4, 9))
        return s.getsockname()[0]

def ends():
    return socket.inet_aton(own_address()) + socket.inet_aton(V4)

def ip(protocol, content):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), 1, 0, 64, protocol, 0)
    return head[:10] + struct.pack("!H", checksum(head + ends())) + ends() + content

def udp(source, target, content):
    return struct.pack("!HHHH", source, target, 8 + len(content), 0) + content

def syn(source, target, content):
    head = struct.pack("!HHIIBBH", source, target, 1, 0, 80, 2, 1024)
    sum_ = checksum(ends() + struct.pack("!HH", 6, 20 + len(content)) + head + bytes(4) + content)
    return head + struct.pack("!HH", sum_, 0) + content

def open_injector(kind=socket.SOCK_RAW):
    s = open_socket(socket.AF_PACKET, kind, 0)
    s.bind(("wire", 0x0800))
    return s

def far_mac():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # so that the kernel asks who has the address
        s.sendto(b"", (V4, 9))
    for _ in range(10000):
        for line in open("/proc/thread-self/net/arp").read().splitlines()[1:]:
            if line.split()[0] == V4 and line.split()[3] != "00:00:00:00:00:00":
                return bytes.fromhex(line.split()[3].replace(":", ""))
    raise SystemExit("no neighbour")

def own_mac():
    return bytes.fromhex(open("/sys/class/net/wire/address").read().strip().replace(":", ""))
"""

ECHOED = """
def exchange(s, count, size=100):
    s.settimeout(5)
    for _ in range(count):
        s.send(bytes(size))
        receive(s, size)
    tell(count * size, count * size)
"""

MANY_MESSAGES = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)

class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

class Header(ctypes.Structure):  # struct msghdr
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("parts", ctypes.POINTER(Part)),
        ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]

class Message(ctypes.Structure):  # struct mmsghdr
    _fields_ = [("header", Header), ("length", ctypes.c_uint)]

if not hasattr(libc, "sendmmsg"):
    lacks("sendmmsg(2)")
buffers = [ctypes.create_string_buffer(120) for _ in range(8)]
parts = [Part(ctypes.addressof(buffer), 120) for buffer in buffers]
messages = (Message * 8)(*(Message(Header(parts=ctypes.pointer(part), count=1)) for part in parts))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect((V4, PORT))
    assert libc.sendmmsg(s.fileno(), messages, 8, 0) == 8
    got = 0
    while got < 8:
        more = libc.recvmmsg(s.fileno(), messages, 8 - got, 0, None)
        assert more > 0
        got += more
tell(8 * 120, 8 * 120)
"""

URING = """
import ctypes, mmap
SETUP, ENTER, SEND, RECEIVE, WAIT = 425, 426, 26, 27, 1  # asm-generic/unistd.h, linux/io_uring.h
libc = ctypes.CDLL(None, use_errno=True)
settings = ctypes.create_string_buffer(120)  # struct io_uring_params
ring = libc.syscall(SETUP, 4, settings)
if ring < 0:
    lacks(f"io_uring: {os.strerror(ctypes.get_errno())}")
entries, most_completed = struct.unpack_from("=II", settings, 0)
tail_at, mask_at, array_at = (struct.unpack_from("=I", settings, 40 + at)[0] for at in (4, 8, 24))
head_at, completed_at, results_at = (struct.unpack_from("=I", settings, 80 + at)[0] for at in (0, 4, 20))
queue = mmap.mmap(ring, max(array_at + 4 * 4, results_at + 16 * 8), offset=0)
completions = mmap.mmap(ring, results_at + 16 * 8, offset=0x8000000)
jobs = mmap.mmap(ring, entries * 64, offset=0x10000000)
buffer = ctypes.create_string_buffer(600)

def do(operation, descriptor, length):
    tail = struct.unpack_from("=I", queue, tail_at)[0]
    slot = tail & struct.unpack_from("=I", queue, mask_at)[0]
    jobs[slot * 64 : slot * 64 + 64] = struct.pack(
        "=BBHiQQII", operation, 0, 0, descriptor, 0, ctypes.addressof(buffer), length, 0
    ).ljust(64, b"\\0")
    struct.pack_into("=I", queue, array_at + 4 * slot, slot)
    struct.pack_into("=I", queue, tail_at, tail + 1)
    assert libc.syscall(ENTER, ring, 1, 1, WAIT, None, 0) == 1
    head = struct.unpack_from("=I", completions, head_at)[0]
    result = struct.unpack_from("=i", completions, results_at + 16 * (head % most_completed) + 8)[0]
    struct.pack_into("=I", completions, head_at, head + 1)
    assert result > 0, os.strerror(-result)
    return result

with socket.create_connection((V4, PORT)) as s:
    for _ in range(5):
        assert do(SEND, s.fileno(), 600) == 600
        left = 600
        while left:
            left -= do(RECEIVE, s.fileno(), left)
tell(3000, 3000)
"""

STREAM = """
def call(target, size=50_000, count=1):
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.connect((target, PORT))
        for _ in range(count):
            s.sendall(bytes(size))
            receive(s, size)
    return size * count
"""

CONTAINER = (
    STREAM
    + """
import subprocess, tempfile
if "IS_INSIDE" in os.environ:
    tell(*[call(V4, 4000)] * 2)
    sys.exit()
mount = tempfile.mkdtemp()  # in the mount namespace that ``ip netns exec`` makes, so it is gone with this script
if subprocess.run(["mount", "-t", "cgroup2", "none", mount]).returncode:
    lacks("cgroup2")
group = f"{mount}/docker-{'5e' * 32}.scope"
try:
    os.mkdir(group)
except OSError as error:
    lacks(f"a cgroup of one's own: {error.strerror}")
if not os.fork():
    with open(f"{group}/cgroup.procs", "w") as procs:
        procs.write(str(os.getpid()))
    os.execve(sys.executable, sys.orig_argv, {**os.environ, "IS_INSIDE": "1"})
assert os.wait()[1] == 0
while True:
    try:
        os.rmdir(group)
        break
    except OSError:
        pass
subprocess.run(["umount", mount])
os.rmdir(mount)
"""
)

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
    "raw IP": """
with open_socket(socket.AF_INET, socket.SOCK_RAW, 253) as s:
    s.connect((V4, 0))
    s.settimeout(5)
    for _ in range(5):
        s.send(bytes(60))
        assert len(s.recv(1000)) == 80
tell(300, 300)
""",
    "raw IP, by two in turn": """
for count in (2, 3):
    if not os.fork():
        with open_socket(socket.AF_INET, socket.SOCK_RAW, 253) as s:
            s.settimeout(5)
            for _ in range(count):
                s.sendto(bytes(60), (V4, 0))
                assert len(s.recv(1000)) == 80
        tell(60 * count, 60 * count)
        os._exit(0)
    assert os.wait()[1] == 0
""",
    "a scan by a raw socket": MADE_BY_HAND
    + """
with open_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
    for port in range(8001, 8021):
        s.sendto(ip(6, syn(40000, port, b"")), (V4, 0))
tell(0, 0)
""",
    "UDP by a raw socket": MADE_BY_HAND
    + """
with open_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
    for number in range(10):
        s.sendto(ip(17, udp(40100 + number, 9999, bytes(50))), (V4, 0))
tell(500, 0)
""",
    "packet injection": MADE_BY_HAND
    + """
with open_injector() as s:
    for number in range(10):
        content = ip(17, udp(40200 + number, 9999, bytes(70)))
        s.send(far_mac() + own_mac() + b"\\x08\\0" + content)
tell(700, 0)
""",
    "packet injection below IP by a cooked socket": MADE_BY_HAND
    + """
with open_injector(socket.SOCK_DGRAM) as s:
    for number in range(10):
        s.sendto(ip(6, syn(40300, 8101 + number, bytes(10))), ("wire", 0x0800, 0, 0, far_mac()))
tell(100, 0)
""",
    "UDP-Lite": ECHOED
    + """
with open_socket(socket.AF_INET, socket.SOCK_DGRAM, 136) as s:
    s.connect((V4, PORT))
    exchange(s, 5)
""",
    "UDP-Lite, IPv6": ECHOED
    + """
with open_socket(socket.AF_INET6, socket.SOCK_DGRAM, 136) as s:
    s.connect((V6, PORT))
    exchange(s, 5)
""",
    "SCTP": ECHOED
    + """
with open_socket(socket.AF_INET, socket.SOCK_STREAM, 132) as s:
    s.connect((V4, PORT))
    exchange(s, 5)
""",
    "TCP": STREAM + "sent = call(V4); tell(sent, sent)",
    "TCP, IPv6": STREAM + "sent = call(V6); tell(sent, sent)",
    "UDP": ECHOED
    + """
with open_socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect((V4, PORT))
    exchange(s, 5)
""",
    "UDP, IPv6": ECHOED
    + """
with open_socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
    s.connect((V6, PORT))
    exchange(s, 5)
""",
    "UDP without a connection": """
with open_socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(5)
    for _ in range(5):
        s.sendto(bytes(90), (V4, PORT))
        s.recvfrom(1000)
tell(450, 450)
""",
    "sendfile": """
import tempfile
with socket.create_connection((V4, PORT)) as s, tempfile.TemporaryFile() as f:
    f.write(bytes(60_000))
    f.flush()
    at = 0
    while at < 60_000:
        at += os.sendfile(s.fileno(), f.fileno(), at, 60_000 - at)
    receive(s, 60_000)
tell(60_000, 60_000)
""",
    "splice": """
with socket.create_connection((V4, PORT)) as s:
    reading, writing = os.pipe()
    if not hasattr(os, "splice"):
        lacks("os.splice")
    os.write(writing, bytes(40_000))
    left = 40_000
    while left:
        left -= os.splice(reading, s.fileno(), left)
    receive(s, 40_000)
tell(40_000, 40_000)
""",
    "sendmmsg and recvmmsg": MANY_MESSAGES,
    "io_uring": URING,
    "20 processes that live shortly": STREAM
    + """
for number in range(20):
    if not os.fork():
        tell(*[call(V4, 1000 + number)] * 2)
        os._exit(0)
for _ in range(20):
    assert os.wait()[1] == 0
""",
    "60 connections at once": """
connections = [socket.create_connection((V4, PORT)) for _ in range(60)]
for s in connections:
    s.sendall(bytes(700))
for s in connections:
    receive(s, 700)
    s.close()
tell(60 * 700, 60 * 700)
""",
    "a socket that a child of a fork works on": """
with socket.create_connection((V4, PORT)) as s:
    if not os.fork():
        s.sendall(bytes(3000))
        receive(s, 3000)
        tell(3000, 3000)
        os._exit(0)
    assert os.wait()[1] == 0
""",
    "loopback": """
with socket.create_server(("127.0.0.1", 0)) as listener:
    if not os.fork():
        with socket.create_connection(listener.getsockname()) as s:
            s.sendall(bytes(2000))
            receive(s, 500)
        tell(2000, 500)
        os._exit(0)
    connection, _ = listener.accept()
    receive(connection, 2000)
    connection.sendall(bytes(500))
    assert os.wait()[1] == 0
    connection.close()
tell(500, 2000)
""",
    "a container": CONTAINER,
}
