"""Bad clients stop nobody else's service: silence, a byte a second, garbage, too many connections,
nonsense on the control socket."""
import os
import random
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import echod, worker_pids
from keel import SRCDIR, Daemon, Load, directory, memory, run, tap, until
import dhcp_client  # of tests/support, which keel.py put on the path

GARBAGE = 64 << 20
QUICKSTART = os.path.join(SRCDIR, 'conf', 'quickstart')


def httpd(**options):
    root = directory()
    with open(os.path.join(root, 'index.html'), 'w', encoding='utf-8') as f:
        f.write('x' * 1024)
    return Daemon('httpd', ['--root', root], workers=options.pop('workers', 1), **options)


def others_are_served(daemon, protocol='http', connections=200, worst_ms=1000, address=None):
    """Every one, and none waits for long."""
    counts = Load(address or daemon.address('tcp'), protocol, 4,
                  connections=connections).finish(stop=False)
    assert counts['ok'] == connections and counts['worst_ms'] <= worst_ms, counts


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        with open('/proc/%d/stat' % pid, encoding='utf-8') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
    return total


def silent():
    with httpd() as daemon:
        held = [socket.create_connection(daemon.address('tcp'), timeout=10) for _ in range(100)]
        before = cpu_seconds(daemon.processes())
        time.sleep(1)
        spent = cpu_seconds(daemon.processes()) - before
        assert spent < 0.2, 'a second of silence cost %g s' % spent
        others_are_served(daemon)
        for s in held:
            s.close()


def slow():
    with httpd() as daemon:
        with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
            for byte in b'GET':
                s.sendall(bytes([byte]))
                others_are_served(daemon, connections=50)
                time.sleep(0.5)


def garbage():
    with httpd() as daemon:
        before = memory(daemon.processes())
        block = os.urandom(1 << 16)
        sent = refused = 0
        begin = time.monotonic()
        while sent < GARBAGE and time.monotonic() < begin + 30:
            with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
                try:
                    for _ in range(64):
                        s.sendall(block)
                        sent += len(block)
                except OSError:
                    refused += 1
        others_are_served(daemon)
        grown = memory(daemon.processes()) - before
        tap.note('%d MB sent, %d connections closed on us, memory grown by %d KiB'
                 % (sent >> 20, refused, grown >> 10))
        assert grown < 8 << 20, grown


def echo_garbage_unread():
    """A client that sends for ever and never reads: watermarks hold memory down."""
    with echod(workers=1) as daemon:
        before = memory(daemon.processes())
        block, sent = os.urandom(1 << 16), 0
        with socket.create_connection(daemon.address('tcp'), timeout=2) as s:
            try:
                while sent < GARBAGE:
                    sent += s.send(block)
            except TimeoutError:
                pass
            others_are_served(daemon, 'echo')
            grown = memory(daemon.processes()) - before
        tap.note('%d KiB taken before it stopped reading, memory grown by %d KiB'
                 % (sent >> 10, grown >> 10))
        assert grown < 8 << 20, grown


def over_the_descriptor_limit():
    with httpd(rlimits=((resource.RLIMIT_NOFILE, 256),)) as daemon:
        held = []
        for _ in range(700):
            s = socket.socket()
            s.settimeout(10)
            s.connect(daemon.address('tcp'))
            held.append(s)
        # each of them may hold its place for a second, then it makes room; so this queues
        others_are_served(daemon, worst_ms=6000)
        others_are_served(daemon)
        before = cpu_seconds(daemon.processes())
        time.sleep(1)
        spent = cpu_seconds(daemon.processes()) - before
        assert spent < 0.2, 'a second at the limit cost %g s' % spent
        for s in held:
            s.close()
        others_are_served(daemon)


def datagrams(binary, args, ask, most=8 << 20):
    """Garbage in datagrams, and the same garbage with a good beginning; then a good question."""
    with Daemon(binary, args) as daemon:
        address = daemon.address('udp')
        before = memory(daemon.processes())
        chance = random.Random(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            good = ask(address)
            for i in range(20000):
                size = chance.choice((0, 1, 11, 12, 40, 200, 240, 300, 512, 1400, 9000))
                data = chance.randbytes(size)
                if i % 3 == 0:      # one byte of a good message changed, or its end cut off
                    data = bytearray(good)
                    data[chance.randrange(len(data))] = chance.randrange(256)
                    data = bytes(data[:chance.randrange(len(data)) if i % 2 else len(data)])
                try:
                    s.sendto(data, address)
                except OSError:
                    pass
        ask(address)
        grown = memory(daemon.processes()) - before
        assert grown < most, grown
        assert 'died' not in daemon.log()


def dns_question(address):
    question = (b'\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00'
                b'\x03web\x07example\x03org\x00\x00\x01\x00\x01')
    asked(address, question, lambda answer: answer[:2] == b'\x12\x34' and answer[7] == 2)
    return question


def dhcp_question(address):
    discover = dhcp_client.message(dhcp_client.DISCOVER, 77, b'\x02\0\0\0\0\x01',
                                   socket.inet_aton('127.0.0.1'), None)
    asked(address, discover, lambda answer: answer[4:8] == (77).to_bytes(4, 'big'))
    return discover


def asked(address, question, right):
    """Asks until the answer comes: the daemon may still be at the garbage."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(address)
        s.settimeout(0.5)

        def answered():
            s.send(question)
            try:
                return right(s.recv(4096))
            except TimeoutError:
                return False
        until(answered, 'the right answer')


def control_socket():
    with echod(workers=1) as daemon:
        address, held = daemon.address('tcp'), []
        for text in (b'', b'nonsense\n', b'{"command": 5}\n', b'[' * 100000 + b'\n', b'x' * 3000000,
                     b'{"command":"status","args":{}}\n', b'\0\xff\n', b'{"command":"no-such"}\n'):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(5)
            s.connect(daemon.socket)
            try:
                s.sendall(text)
            except OSError:
                pass
            held.append(s)
        assert daemon.status()['listeners']
        many = []
        for _ in range(300):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(5)
            try:
                s.connect(daemon.socket)
            except OSError:
                break
            many.append(s)
        others_are_served(daemon, 'echo', address=address)
        for s in held + many:
            s.close()
        until(lambda: daemon.status()['listeners'], 'an answer after all that')
        assert len(worker_pids(daemon)) == 1


run(('100 silent clients', silent),
    ('a byte at a time', slow),
    ('64 MB of garbage', garbage),
    ('a client that sends and never reads', echo_garbage_unread),
    ('700 connections with 256 descriptors', over_the_descriptor_limit),
    ('dnsd: 20,000 datagrams of garbage', lambda: datagrams(
        'dnsd', ['--zone', 'example.org=' + os.path.join(QUICKSTART, 'example.org.zone')],
        dns_question)),
    ('dhcpd: 20,000 datagrams of garbage', lambda: datagrams(
        'dhcpd', ['-c', os.path.join(QUICKSTART, 'dhcpd.conf')], dhcp_question,
        most=24 << 20)),  # its pools have four million addresses, at four bytes each
    ('nonsense on the control socket', control_socket))
