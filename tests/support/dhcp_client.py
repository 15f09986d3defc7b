#!/usr/bin/env python3
"""A DHCP client and its relay in one, for a server's relay port: asks for an address with a whole
exchange (DISCOVER, OFFER, REQUEST, ACK) and prints what it was given. Needs no privilege.

    dhcp_client.py SERVER:PORT [--hardware 02:00:00:00:00:01] [--link ADDRESS] [--release]

The relay address (giaddr) is the address that this program sends from. With --link the relay says
that the client sits on the link of ADDRESS (RFC 3527), so that any subnet can be asked.
"""
import argparse
import os
import socket
import struct
import sys
import time

COOKIE = b'\x63\x82\x53\x63'
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = range(1, 8)
TYPES = {OFFER: 'offer', ACK: 'ack', NAK: 'nak'}


def option(code, value):
    return bytes([code, len(value)]) + value


def message(kind, xid, hardware, giaddr, link, ciaddr=b'\0' * 4, options=b''):
    """A BOOTREQUEST as the relay passes it on (RFC 2131, 2; RFC 3046, 2.0)."""
    head = struct.pack('!BBBBIHH', 1, 1, 6, 1, xid, 0, 0)
    head += ciaddr + b'\0' * 8 + giaddr + hardware + b'\0' * 10 + b'\0' * 192
    body = COOKIE + option(53, bytes([kind])) + options
    if kind in (DISCOVER, REQUEST):
        body += option(55, bytes([1, 3, 6, 15, 51]))
    relay = option(1, b'dhcp_client')
    if link:
        relay += option(5, link)
    body += option(82, relay) + b'\xff'
    return head + body


def parse(data):
    """(yiaddr, options) of a BOOTREPLY."""
    if len(data) < 240 or data[0] != 2 or data[236:240] != COOKIE:
        raise ValueError('not a DHCP reply')
    options, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        size = data[at + 1]
        options[data[at]] = options.get(data[at], b'') + data[at + 2:at + 2 + size]
        at += 2 + size
    return socket.inet_ntoa(data[16:20]), options


class Client:
    def __init__(self, server, hardware, link=None, patience=5.0):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(server)
        self.hardware = bytes.fromhex(hardware.replace(':', ''))
        self.link = socket.inet_aton(link) if link else None
        self.giaddr = socket.inet_aton(self.sock.getsockname()[0])
        self.patience = patience

    def ask(self, kind, options=b''):
        """Sends, again every second, until the reply to it comes. (address, options)."""
        xid = int.from_bytes(os.urandom(4), 'big')
        packet = message(kind, xid, self.hardware, self.giaddr, self.link, options=options)
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            self.sock.send(packet)
            self.sock.settimeout(min(1.0, self.patience))
            try:
                data = self.sock.recv(4096)
                while data[4:8] != xid.to_bytes(4, 'big'):
                    data = self.sock.recv(4096)
                return parse(data)
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.05)
        raise TimeoutError('no answer in %g s' % self.patience)

    def lease(self):
        offered, offer = self.ask(DISCOVER)
        if offer.get(53) != bytes([OFFER]):
            raise ValueError('no offer')
        return self.ask(REQUEST, option(50, socket.inet_aton(offered))
                        + option(54, offer.get(54, b'\0' * 4)))

    def release(self, address, server):
        self.sock.send(message(RELEASE, 1, self.hardware, self.giaddr, self.link,
                               ciaddr=socket.inet_aton(address), options=option(54, server)))


def addresses(value):
    return ' '.join(socket.inet_ntoa(value[i:i + 4]) for i in range(0, len(value) - 3, 4))


def main():
    parser = argparse.ArgumentParser(description='Lease an address through a relay port.')
    parser.add_argument('server', help='ADDRESS:PORT')
    parser.add_argument('--hardware', default='02:00:00:00:00:01')
    parser.add_argument('--link', help='an address on the link that the client is on')
    parser.add_argument('--release', action='store_true', help='give it back at the end')
    arguments = parser.parse_args()
    host, port = arguments.server.rsplit(':', 1)
    client = Client((host, int(port)), arguments.hardware, arguments.link)
    begin = time.monotonic()
    try:
        address, options = client.lease()
    except (OSError, ValueError) as error:
        sys.exit('%s: %s' % (arguments.server, error))
    kind = options.get(53, b'\0')[0]
    if kind != ACK:
        sys.exit('%s: %s' % (arguments.server, TYPES.get(kind, 'not an ack')))
    print('leased %s to %s for %d s in %.1f ms' % (
        address, arguments.hardware, int.from_bytes(options.get(51, b''), 'big'),
        (time.monotonic() - begin) * 1000))
    for code, name in ((54, 'server'), (1, 'mask'), (3, 'routers'), (6, 'name servers')):
        if code in options:
            print('  %s %s' % (name, addresses(options[code])))
    if 15 in options:
        print('  domain %s' % options[15].decode('ascii', 'replace'))
    if arguments.release:
        client.release(address, options.get(54, b'\0' * 4))


if __name__ == '__main__':
    main()
