"""Leasequery (RFC 4388) over the port for relays: who may ask is told who has an address."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import SRCDIR, Daemon, run, until
sys.path.insert(0, os.path.join(SRCDIR, 'tests', 'support'))
from dhcp_client import Client, message, option, parse  # noqa: E402

LEASEQUERY, UNASSIGNED, UNKNOWN, ACTIVE = 10, 11, 12, 13
CONF = '''
%s
lease-time = 1h
subnet "127.0.0.0/8" { pool "127.64.0.1-127.64.0.100" { } }
'''


def ask(daemon, address='0.0.0.0', hardware=None, identifier=None):
    """(ciaddr, chaddr, options) of the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.connect(daemon.address('udp'))
        packet = bytearray(message(LEASEQUERY, 99, hardware or b'\0' * 6,
                                   socket.inet_aton('127.0.0.1'), None,
                                   ciaddr=socket.inet_aton(address),
                                   options=option(61, identifier) if identifier else b''))
        if not hardware:
            packet[1] = packet[2] = 0
        s.send(packet)
        data = s.recv(4096)
        assert data[4:8] == (99).to_bytes(4, 'big'), data[:8]
        return socket.inet_ntoa(data[12:16]), data[28:34], parse(data)[1]


def answers():
    with Daemon('dhcpd', conf=CONF % 'leasequery = { "127.0.0.1" }', workers=2) as daemon:
        client = Client(daemon.address('udp'), '02:00:00:00:00:01')
        address, _ = client.lease()
        ciaddr, hardware, options = ask(daemon, address)
        assert options[53] == bytes([ACTIVE]) and ciaddr == address, options
        assert hardware == client.hardware, hardware
        assert 3500 < int.from_bytes(options[51], 'big') <= 3600, options
        assert options[82] == b'\x01\x0bdhcp_client', options
        assert ask(daemon, hardware=client.hardware)[0] == address
        other = '127.64.0.99' if address != '127.64.0.99' else '127.64.0.98'
        assert ask(daemon, other)[2][53] == bytes([UNASSIGNED])
        assert ask(daemon, '192.0.2.1')[2][53] == bytes([UNKNOWN])
        assert ask(daemon, identifier=b'nobody')[2][53] == bytes([UNKNOWN])
        assert daemon.metric('dhcpd_messages_sent_total', type='leaseactive') == 2
        assert daemon.metric('dhcpd_messages_received_total', type='leasequery') == 5


def nobody_may():
    with Daemon('dhcpd', conf=CONF % 'leasequery = { "192.0.2.0/24" }') as daemon:
        address, _ = Client(daemon.address('udp'), '02:00:00:00:00:01').lease()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(daemon.address('udp'))
            s.send(message(LEASEQUERY, 99, b'\0' * 6, socket.inet_aton('192.0.2.1'), None,
                           ciaddr=socket.inet_aton(address)))
        until(lambda: daemon.metric('dhcpd_messages_unanswered_total', reason='ignored') == 1,
              'it is refused')
        assert daemon.metric('dhcpd_messages_sent_total', type='leaseactive') == 0


run(('who may ask is told', answers),
    ('others are not', nobody_may))
