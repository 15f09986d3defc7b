"""A large zone changes in small steps: what is served, a base and deltas over it, is what the steps
come to, also when a new base is made in between and when everything is killed."""
import os
import random
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import ask_udp, dig, framed, query, read_message, tcp, wire
from keel import Daemon, need_program, run, until

ORIGIN = 'large.example'
HOSTS = 4000  # its image is no small one, which would be made anew for each change
ZONE = ('$TTL 60\n@ SOA ns h 7 3600 600 86400 5\n@ NS ns\nns A 192.0.2.1\n'
        + ''.join('h%04d A 10.0.%d.%d\n' % (i, i >> 8, i & 255) for i in range(HOSTS)))
CONF = '''
zone "%s" {
  file = "large.zone"
  allow-update = { "127.0.0.0/8" }
  allow-transfer = { "127.0.0.0/8" }
}
''' % ORIGIN
A, NS, TXT, ANY, IN, NONE = 1, 2, 16, 255, 1, 254
UPDATE = 5 << 11


def dnsd(**more):
    return Daemon('dnsd', conf=CONF, files={'large.zone': ZONE}, **more)


def record(owner, rtype, rclass, ttl, rdata):
    """Of a name below the zone, which stands behind the header."""
    labels = b''.join(bytes([len(part)]) + part.encode() for part in owner.split('.') if part)
    return labels + b'\xc0\x0c' + struct.pack('>HHIH', rtype, rclass, ttl, len(rdata)) + rdata


def update(records):
    return struct.pack('>6H', random.randrange(65536), UPDATE, 1, 0, len(records), 0) \
        + wire(ORIGIN) + struct.pack('>HH', 6, 1) + b''.join(records)


class Model:
    """What the zone has, and the changes that are made to both."""

    def __init__(self):
        self.records = {('ns', A): {socket.inet_aton('192.0.2.1')}}
        for i in range(HOSTS):
            self.records[('h%04d' % i, A)] = {bytes([10, 0, i >> 8, i & 255])}

    def add(self, owner, rtype, rdata):
        self.records.setdefault((owner, rtype), set()).add(rdata)
        return record(owner, rtype, IN, 60, rdata)

    def remove(self, owner, rtype, rdata):
        left = self.records.get((owner, rtype), set())
        left.discard(rdata)
        if not left:
            self.records.pop((owner, rtype), None)
        return record(owner, rtype, NONE, 0, rdata)

    def clear(self, owner):
        for key in [key for key in self.records if key[0] == owner]:
            del self.records[key]
        return record(owner, ANY, ANY, 0, b'')

    def rows(self):
        texts = {A: lambda r: 'A ' + socket.inet_ntoa(r), TXT: lambda r: 'TXT "%s"' % r[1:].decode(),
                 NS: lambda r: 'NS ' + r[1:1 + r[0]].decode() + '.'}
        return sorted('%s.%s. 60 IN %s' % (owner, ORIGIN, texts[rtype](rdata))
                      for (owner, rtype), all_ in self.records.items() for rdata in all_)


def some_changes(model):
    host, name = 'h%04d' % random.randrange(HOSTS), 'n%02d' % random.randrange(40)
    return random.choice([
        lambda: [model.add(name, A, bytes([192, 0, 2, random.randrange(256)]))],
        lambda: [model.add('x.y.' + name, TXT, b'\4deep')],
        lambda: [model.clear('x.y.' + name), model.clear(name)],
        lambda: [model.clear(host)],
        lambda: [model.add(host, TXT, b'\3new'), model.add(host, A, b'\300\0\2\7')],
        lambda: [model.add('*.' + name, A, b'\300\0\2\x63')],
        lambda: [model.clear('*.' + name)],
        lambda: [model.add('cut-' + name, NS, wire('elsewhere'))],
        lambda: [model.clear('cut-' + name)]])()


def transfer(address):
    """The records of the zone but the SOA, and NS, of the apex."""
    text = subprocess.run([need_program('dig'), '@' + address[0], '-p', str(address[1]), ORIGIN,
                           'AXFR', '+noall', '+answer', '+nocookie', '+onesoa'], timeout=60,
                          stdout=subprocess.PIPE, check=True, text=True).stdout
    rows = [' '.join(line.split()) for line in text.splitlines() if line]
    return sorted(row for row in rows if not row.startswith(ORIGIN))


def compare(address, model):
    have, wanted = transfer(address), model.rows()
    assert have == wanted, (sorted(set(have) - set(wanted))[:5], sorted(set(wanted) - set(have))[:5])


def rcode(address, name):
    return ask_udp(address, query(name, A))[3] & 15


def send(address, records):
    answer = ask_udp(address, update(records), 20)
    assert answer[3] & 15 == 0, answer


def steps():
    """Changes of all kinds, by each of two workers seen at once."""
    random.seed(7)
    model = Model()
    with dnsd(workers=2) as daemon:
        address = daemon.address('udp')
        for n in range(120):
            records = [r for _ in range(random.randrange(1, 4)) for r in some_changes(model)]
            send(address, records)
            if n % 20 == 19:
                compare(address, model)
                owners = random.sample(sorted({key[0] for key in model.records}), 20)
                names = ['%s.%s ANY' % (owner, ORIGIN) for owner in owners if 'cut' not in owner]
                assert all(row[0] == 'NOERROR' for row in dig(address, names))
        # names that were only above others have gone with them
        for n in range(40):
            send(address, [model.clear('%sn%02d' % (word, n)) for word in ('x.y.', '*.', '', 'cut-')])
        compare(address, model)
        for n in range(40):
            assert rcode(address, 'y.n%02d.%s' % (n, ORIGIN)) == 3


def new_base():
    """So much that a new base is made, while changes go on."""
    model = Model()
    with dnsd(workers=2) as daemon:
        address = daemon.address('tcp')
        with tcp(address) as s:
            for n in range(12):
                records = [model.add('b%02d-%03d' % (n, i), TXT, b'\x40' + b'x' * 64)
                           for i in range(400)]
                records.append(model.clear('h%04d' % n))
                s.sendall(framed(update(records)))
                assert read_message(s)[3] & 15 == 0
                assert rcode(address, 'h%04d.%s' % (n, ORIGIN)) == 3
        compare(address, model)
        send(address, [model.add('behind', A, b'\1\2\3\4')])
        compare(address, model)


def killed():
    """All is killed right after a yes: base and journal bring it back."""
    model, folder = Model(), None
    random.seed(9)
    for _ in range(3):
        daemon = Daemon('dnsd', conf=CONF, files={'large.zone': ZONE}, folder=folder)
        folder, address = daemon.folder, daemon.address('udp')
        compare(address, model)
        for _ in range(20):
            send(address, some_changes(model))
        for pid in daemon.processes():
            os.kill(pid, signal.SIGKILL)
        daemon.process.wait()
        until(lambda: not daemon.processes(), 'all are dead')
    with Daemon('dnsd', conf=CONF, files={'large.zone': ZONE}, folder=folder) as daemon:
        compare(daemon.address('udp'), model)


run(('steps', steps), ('a new base', new_base), ('all is killed', killed))
