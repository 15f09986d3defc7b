"""dhcpd under more messages than it can answer: one client that floods, and many new ones; those who
have an address are served."""
import os
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import SRCDIR, Daemon, run, tap, until
sys.path.insert(0, os.path.join(SRCDIR, 'tests', 'support'))
from dhcp_client import ACK, DISCOVER, REQUEST, Client, message, option  # noqa: E402

CONF = '''
%s
subnet "127.0.0.0/8" { pool "127.64.0.1-127.64.15.254" { } }
'''


def client(daemon, number):
    return Client(daemon.address('udp'), '02:00:00:00:%02x:%02x' % (number >> 8, number & 255))


def discover(number):
    return message(DISCOVER, number, bytes([2, 1, 0, 0, number >> 8 & 255, number & 255]),
                   socket.inet_aton('127.0.0.1'), None)


class Flood(threading.Thread):
    """Sends as fast as it can until it is told to stop."""

    def __init__(self, address, packets):
        super().__init__(daemon=True)
        self.address, self.packets, self.over = address, packets, threading.Event()
        self.start()

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(self.address)
            while not self.over.is_set():
                for packet in self.packets:
                    try:
                        s.send(packet)
                    except OSError:
                        pass

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.over.set()
        self.join()


def one_client():
    with Daemon('dhcpd', conf=CONF % 'client-rate = 20') as daemon:
        known, options = client(daemon, 1).lease()
        with Flood(daemon.address('udp'), [discover(7)] * 64):
            until(lambda: daemon.metric('dhcpd_messages_dropped_total', reason='client-rate') > 2000,
                  'the flood is cut')
            for n in range(2, 12):
                assert client(daemon, n).lease()[1][53] == bytes([ACK])
            assert client(daemon, 1).lease()[0] == known
        offers = daemon.metric('dhcpd_messages_sent_total', type='offer')
        tap.note('%d dropped, %d offers' % (daemon.metric('dhcpd_messages_dropped_total',
                                                         reason='client-rate'), offers))


def one_relay():
    with Daemon('dhcpd', conf=CONF % 'relay-rate = 50') as daemon:
        with Flood(daemon.address('udp'), [discover(n) for n in range(64)]):
            until(lambda: daemon.metric('dhcpd_messages_dropped_total', reason='relay-rate') > 500,
                  'the relay is cut')


def figures(daemon):
    return (daemon.metric('dhcpd_messages_received_total', type='discover'),
            daemon.metric('dhcpd_messages_dropped_total', reason='backlog'))


def burst(daemon, known, address):
    """1,200 new clients while the worker is stopped, then one with an address, who is answered."""
    worker = until(lambda: next((w['pid'] for w in daemon.ctl('workers')
                                 if w['state'] == 'active'), None), 'one serves')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(daemon.address('udp'))
        os.kill(worker, signal.SIGSTOP)
        try:
            for n in range(1200):
                s.send(discover(n))
            known.sock.send(message(REQUEST, 4711, known.hardware, known.giaddr, None,
                                    ciaddr=socket.inet_aton(address)))
        finally:
            os.kill(worker, signal.SIGCONT)
        known.sock.settimeout(10)
        answer = known.sock.recv(4096)
        assert answer[4:8] == (4711).to_bytes(4, 'big'), answer[:8]
        assert answer[16:20] == socket.inet_aton(address), answer[16:20]


def new_clients():
    """Everything waits in the socket: who has an address is served, the oldest of the others go."""
    with Daemon('dhcpd', conf=CONF % '', workers=2) as daemon:
        known = client(daemon, 1)
        address, options = known.lease()
        # a worker that is stopped too long is replaced before a slow machine has sent all
        for _ in range(10):
            before = figures(daemon)
            burst(daemon, known, address)
            until(lambda: figures(daemon)[0] >= before[0] + 400, 'those who waited are served')
            dropped = figures(daemon)[1] - before[1]
            tap.note('%d dropped of 1200' % dropped)
            assert dropped < 600, dropped
            if dropped > 0:
                break
        assert dropped > 0
        assert client(daemon, 2).lease()[1][53] == bytes([ACK])
        # under a flood of new clients the known one renews
        with Flood(daemon.address('udp'), [discover(n) for n in range(1000)]):
            for _ in range(5):
                got, options = known.ask(REQUEST, option(50, socket.inet_aton(address)))
                assert got == address and options[53] == bytes([ACK]), options


run(('one client floods', one_client),
    ('one relay floods', one_relay),
    ('new clients come faster than they can be served', new_clients))
