"""What the tests of dnsd share: dig's answers as data, messages by hand."""
import os
import re
import socket
import struct
import tempfile

from keel import SRCDIR, directory, need_program, output

DATA = os.path.join(SRCDIR, 'tests', 'unit', 'dnsd', 'data')


def zone_text(name):
    with open(os.path.join(DATA, name), encoding='ascii') as f:
        return f.read()


# ---- dig

def dig(address, questions, *options):
    """One dig for many questions ("NAME TYPE"): a list of (status, flags, {section: records}).

    dig shares ports as dnsd does (SO_REUSEPORT, same user), and ports that the kernel chose for
    dnsd are ones that it may choose for dig: then dig hears itself, and is asked to ask again."""
    answers = dig_once(address, questions, *options)
    for i, answer in enumerate(answers):
        for _ in range(3):
            if 'qr' in answer[1]:
                break
            answer = dig_once(address, questions[i:i + 1], *options)[0]
        answers[i] = answer
    return answers


def dig_once(address, questions, *options):
    with tempfile.NamedTemporaryFile('w', dir=directory()) as batch:
        batch.write(''.join(q + '\n' for q in questions))
        batch.flush()
        text = output([need_program('dig'), '@' + address[0], '-p', str(address[1]),
                       '-f', batch.name, '+noall', '+comments', '+answer', '+authority',
                       '+additional', '+nocookie', '+norecurse', '+tries=1', '+time=5',
                       '+nosplit', *options], patience=120)
    answers = []
    for part in re.split(r';; Got answer:\n', text)[1:]:
        status = re.search(r'status: (\w+)', part).group(1)
        flags = re.search(r'flags: ([\w ]*);', part).group(1).split()
        sections, section = {}, None
        for line in part.splitlines():
            title = re.match(r';; (\w+) SECTION:', line)
            if title:
                section = sections.setdefault(title.group(1), [])
            elif line and not line.startswith(';') and section is not None:
                section.append(' '.join(line.split()).lower())
        answers.append((status, flags, {k: sorted(v) for k, v in sections.items()}))
    assert len(answers) == len(questions), (len(answers), len(questions), text[-2000:])
    return answers


def free_port():
    """A port that is free for UDP and TCP at this moment."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(('127.0.0.1', 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


# ---- messages by hand

def wire(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.split('.') if label) \
        + b'\0'


def query(name, qtype, number=1, flags=0, extra=b'', additional=0):
    return struct.pack('>6H', number, flags, 1, 0, 0, additional) + wire(name) \
        + struct.pack('>HH', qtype, 1) + extra


def add_address(zone, name, number=1):
    """An UPDATE that adds `name A 192.0.2.77` to a zone."""
    record = wire(name + '.' + zone) + struct.pack('>HHIH', 1, 1, 60, 4) + bytes((192, 0, 2, 77))
    return struct.pack('>6H', number, 5 << 11, 1, 0, 1, 0) + wire(zone) \
        + struct.pack('>HH', 6, 1) + record


def ask_udp(address, message, patience=5.0):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(patience)
        s.connect(address)
        s.send(message)
        return s.recv(65536)


def framed(*messages):
    return b''.join(struct.pack('>H', len(m)) + m for m in messages)


def read_exactly(s, n):
    received = b''
    while len(received) < n:
        part = s.recv(n - len(received))
        assert part, 'closed after %d of %d bytes' % (len(received), n)
        received += part
    return received


def read_message(s):
    return read_exactly(s, struct.unpack('>H', read_exactly(s, 2))[0])


def tcp(address):
    s = socket.create_connection(address, timeout=10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s
