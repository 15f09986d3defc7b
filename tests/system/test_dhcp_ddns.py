"""dhcpd's names in the DNS: entered in named and in dnsd with TSIG, removed at the end of the lease,
kept in the queue while the server is away, and left alone when they are somebody else's."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import SRCDIR, Daemon, check_conf, directory, need_program, output, run, tap, until
sys.path.insert(0, os.path.join(SRCDIR, 'tests', 'support'))
from dhcp_client import ACK, DISCOVER, REQUEST, Client, option  # noqa: E402
from dns import dig, free_port  # noqa: E402
from dns_peers import Named

SECRET = 'YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY='
CONF = '''
lease-time = %(lease)s
lease-time-min = 1s
subnet "127.0.0.0/8" { pool "127.64.0.1-127.64.0.100" { }
  reservation "printer" { hardware = "02:00:00:00:00:07" address = "127.64.0.7" hostname = "printer" }
}
ddns {
  server        = "127.0.0.1:%(port)d"
  %(key)s
  forward-zone  = "lan.example"
  reverse-zones = { "64.127.in-addr.arpa" }
  %(more)s
}
'''
KEY = 'key = "update.example." algorithm = hmac-sha512 secret = "%s"' % SECRET
ZONE = '''$TTL 300
@ SOA ns.lan.example. root.lan.example. 1 3600 600 86400 300
@ NS ns.lan.example.
'''
FORWARD = ZONE + 'ns A 127.0.0.1\ntaken A 192.0.2.77\n'


def dhcpd(port, lease='1h', key=KEY, more='', **options):
    options.setdefault('workers', 2)
    conf = CONF % {'port': port, 'lease': lease, 'key': key, 'more': more}
    return Daemon('dhcpd', conf=conf, **options)


class Updated(Named):
    """named with the two zones, which take updates with the key."""

    def start(self):
        self.launch()
        self.wait(lambda: records(self.address, 'ns.lan.example', 'A'), 30)

    def conf(self):
        zones = ''
        for name, text in (('lan.example', FORWARD), ('64.127.in-addr.arpa', ZONE)):
            self.write(name, text)
            zones += ('zone "%s" { type primary; file "%s"; allow-update { key "update.example"; }; '
                      '};\n' % (name, name))
        return self.head('notify no;') + zones \
            + 'key "update.example" { algorithm hmac-sha512; secret "%s"; };\n' % SECRET


def records(address, name, kind):
    try:
        answer = dig(address, ['%s %s' % (name, kind)], '+time=2')[0]
    except (AssertionError, subprocess.CalledProcessError):
        return []
    return [line.split(' ', 4)[4] for line in answer[2].get('ANSWER', [])]


def pointer(address):
    return '.'.join(reversed(address.split('.'))) + '.in-addr.arpa'


def client(daemon, number):
    return Client(daemon.address('udp'), '02:00:00:00:00:%02x' % number)


def lease(c, name=None, fqdn=None, address=None):
    """(address, options of the ACK)."""
    said = option(12, name) if name else b''
    said += option(81, fqdn) if fqdn else b''
    wanted = option(50, socket.inet_aton(address)) if address else b''
    offered, offer = c.ask(DISCOVER, said + wanted)
    got, options = c.ask(REQUEST, said + option(50, socket.inet_aton(offered))
                         + option(54, offer[54]))
    assert options[53] == bytes([ACK]), options
    return got, options


def entered(server, name, address):
    until(lambda: records(server, name, 'A') == [address], '%s is %s' % (name, address))
    until(lambda: records(server, pointer(address), 'PTR') == [name + '.'],
          '%s is %s' % (address, name))
    assert len(records(server, name, 'TYPE49')) == 1 or len(records(server, name, 'DHCID')) == 1


def gone(server, name, address):
    until(lambda: not records(server, name, 'ANY'), '%s is gone' % name)
    until(lambda: not records(server, pointer(address), 'PTR'), '%s has no name' % address)


def idle(daemon):
    until(lambda: daemon.ctl('ddns')['waiting'] == 0, 'the queue is empty')
    return daemon.ctl('ddns')


def exchange(server, conf_more=''):
    """The whole life of names, with any primary."""
    with dhcpd(server[1], more=conf_more) as daemon:
        box = client(daemon, 1)
        first, options = lease(box, fqdn=b'\x01\0\0box')
        assert options[81] == b'\x01\xff\xffbox.lan.example', options[81]
        entered(server, 'box.lan.example', first)
        # a name of nobody here, and one of another client
        other, _ = lease(client(daemon, 2), b'box')
        static, _ = lease(client(daemon, 3), b'taken')
        until(lambda: daemon.ctl('ddns')['conflicts'] == 2, 'two conflicts')
        assert records(server, 'box.lan.example', 'A') == [first]
        assert records(server, 'taken.lan.example', 'A') == ['192.0.2.77']
        assert not records(server, pointer(other), 'PTR')
        # a reservation's, whatever the client says
        printer, _ = lease(client(daemon, 7), b'mine')
        entered(server, 'printer.lan.example', printer)
        # renewed: nothing to do
        done = idle(daemon)['done']
        assert lease(box, fqdn=b'\x01\0\0box')[0] == first
        assert idle(daemon)['done'] == done
        # another name for the same address; a name that comes free
        assert lease(box, b'case')[0] == first
        entered(server, 'case.lan.example', first)
        until(lambda: not records(server, 'box.lan.example', 'ANY'), 'the old name is gone')
        assert lease(client(daemon, 2), b'box')[0] == other
        entered(server, 'box.lan.example', other)
        # the same client and name at another address
        moved, options = lease(client(daemon, 2), b'box', address='127.64.0.55')
        client(daemon, 2).release(moved, options[54])
        gone(server, 'box.lan.example', moved)
        moved, _ = lease(client(daemon, 2), b'box', address='127.64.0.56')
        entered(server, 'box.lan.example', moved)
        status = idle(daemon)
        assert status['failed'] == 0 and status['reachable'] and status['names'] == 3, status
        assert daemon.metric('dhcpd_ddns_updates_total', result='conflict') == 2
        assert daemon.metric('dhcpd_ddns_queue') == 0


def with_named():
    with Updated() as named:
        exchange(named.address)


def with_dnsd():
    folder = tempfile.mkdtemp(dir=directory())
    for name, text in (('lan.example', FORWARD), ('64.127.in-addr.arpa', ZONE)):
        with open(os.path.join(folder, name), 'w') as f:
            f.write(text)
    conf = 'key "update.example" { algorithm = hmac-sha512 secret = "%s" }\n' % SECRET
    for name in ('lan.example', '64.127.in-addr.arpa'):
        conf += ('zone "%s" { file = "%s" allow-update = { "key:update.example." } }\n'
                 % (name, os.path.join(folder, name)))
    with Daemon('dnsd', conf=conf) as dnsd:
        exchange(dnsd.address('udp'))


def client_does_it():
    """Who enters what (RFC 4702, 4)."""
    with Updated() as named:
        with dhcpd(named.address[1], more='client-updates = true generate = "dhcp"') as daemon:
            address, options = lease(client(daemon, 1), fqdn=b'\0\0\0self')
            assert options[81] == b'\0\xff\xffself.lan.example', options[81]
            until(lambda: records(named.address, pointer(address), 'PTR') == ['self.lan.example.'],
                  'the name of the address')
            assert not records(named.address, 'self.lan.example', 'ANY')
            address, options = lease(client(daemon, 2), fqdn=b'\x08\0\0quiet')
            assert options[81] == b'\x08\xff\xffquiet.lan.example', options[81]
            plain, _ = lease(client(daemon, 3))
            entered(named.address, 'dhcp-%s.lan.example' % plain.replace('.', '-'), plain)
            idle(daemon)
            assert not records(named.address, 'quiet.lan.example', 'ANY')


def expiry():
    with Updated() as named:
        with dhcpd(named.address[1], lease='1s') as daemon:
            address, _ = lease(client(daemon, 1), b'short')
            reserved, _ = lease(client(daemon, 7))
            entered(named.address, 'short.lan.example', address)
            gone(named.address, 'short.lan.example', address)
            gone(named.address, 'printer.lan.example', reserved)
            states = {row['address']: row['state'] for row in daemon.ctl('leases')}
            assert states == {address: 'expired', reserved: 'expired'}, states


def server_away():
    """The queue outlives the server's absence, and our own end."""
    port = free_port()
    folder = directory()
    daemon = dhcpd(port, folder=folder)
    addresses = [lease(client(daemon, n), b'host%d' % n)[0] for n in range(1, 6)]
    status = until(lambda: daemon.ctl('ddns')['last-error'] and daemon.ctl('ddns'), 'it fails')
    assert status['waiting'] == 5 and not status['reachable'], status
    assert status['oldest-seconds'] >= 0, status
    daemon.kill_master()
    with Updated(port) as named, dhcpd(port, folder=folder) as daemon:
        for n, address in enumerate(addresses, 1):
            entered(named.address, 'host%d.lan.example' % n, address)
        idle(daemon)
        # the worker dies, the standby goes on
        victim = until(lambda: next((w['pid'] for w in daemon.ctl('workers')
                                     if w['state'] == 'active'), None), 'one serves')
        os.kill(named.process.pid, signal.SIGSTOP)
        late, _ = lease(client(daemon, 9), b'late')
        os.kill(victim, signal.SIGKILL)
        os.kill(named.process.pid, signal.SIGCONT)
        entered(named.address, 'late.lan.example', late)
        daemon.write('dhcpd.conf', CONF % {'port': port, 'lease': '1h', 'key': KEY.replace(
            'YWJj', 'YWJk'), 'more': ''})
        daemon.ctl('reload')
        lease(client(daemon, 10), b'wrongkey')
        status = until(lambda: daemon.ctl('ddns')['last-error'] and daemon.ctl('ddns'), 'refused')
        assert 'BADSIG' in status['last-error']['text'], status
        daemon.write('dhcpd.conf', CONF % {'port': port, 'lease': '1h', 'key': KEY, 'more': ''})
        daemon.ctl('reload')
        until(lambda: records(named.address, 'wrongkey.lan.example', 'A'), 'entered after all')


class OnlyTcp(threading.Thread):
    """A DNS server that cuts every answer over UDP, and says yes over TCP."""

    def __init__(self):
        super().__init__(daemon=True)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        port = free_port()
        self.udp.bind(('127.0.0.1', port))
        self.tcp.bind(('127.0.0.1', port))
        self.tcp.listen()
        self.port, self.taken = port, 0
        self.start()

    def run(self):
        for target in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=target, daemon=True).start()

    def serve_udp(self):
        while True:
            data, peer = self.udp.recvfrom(4096)
            self.udp.sendto(data[:2] + b'\xaa\0' + b'\0' * 8, peer)

    def serve_tcp(self):
        while True:
            conn, _ = self.tcp.accept()
            with conn:
                head = conn.recv(2, socket.MSG_WAITALL)
                data = conn.recv(int.from_bytes(head, 'big'), socket.MSG_WAITALL)
                self.taken += 1
                conn.sendall(b'\0\x0c' + data[:2] + b'\xa8\0' + b'\0' * 8)


def over_tcp():
    server = OnlyTcp()
    with dhcpd(server.port, key='') as daemon:
        for n in range(1, 4):
            lease(client(daemon, n), b'host%d' % n)
        until(lambda: daemon.ctl('ddns')['done'] == 3, 'done over TCP')
        assert server.taken == 6, server.taken


def many():
    """A thousand names at once."""
    perf = need_program('perfdhcp')
    with Updated() as named, dhcpd(named.address[1], more='generate = "dhcp"') as daemon:
        daemon.write('dhcpd.conf', (CONF % {'port': named.address[1], 'lease': '1h', 'key': KEY,
                     'more': 'generate = "dhcp"'}).replace('0.100"', '7.254"'))
        daemon.ctl('reload')
        host, port = daemon.address('udp')
        begin = time.monotonic()
        output([perf, '-4', '-R', 500, '-r', 500, '-n', 500, '-l', host, '-L', free_port(), '-N',
                port, '-W', 1000000, host], check=False, patience=60)
        status = idle(daemon)
        tap.note('%d names in %.1f s' % (status['names'], time.monotonic() - begin))
        assert status['names'] >= 450 and status['done'] >= status['names'], status
        assert status['failed'] == 0, status


WRONG = (
    ('forward-zone = "a"', 'server'),
    ('server = "127.0.0.1:53"', 'forward-zone'),
    ('server = "127.0.0.1:53" forward-zone = "a..b"', 'not the name of a zone'),
    ('server = "127.0.0.1:53" forward-zone = "a" reverse-zones = { "b", "." }',
     'not the name of a zone'),
    ('server = "127.0.0.1:53" forward-zone = "a" key = "k"', 'without its secret'),
    ('server = "127.0.0.1:53" forward-zone = "a" secret = "YQ=="', 'without the name'),
    ('server = "127.0.0.1:53" forward-zone = "a" key = "k" secret = "!"', 'base64'),
    ('server = "127.0.0.1:53" forward-zone = "a" generate = "-x"', 'letters'),
)


def wrong_configuration():
    for text, words in WRONG:
        said = check_conf('dhcpd', 'listen = { "127.0.0.1:0" }\nsubnet "192.0.2.0/24" { }\n'
                          'ddns { %s }\n' % text)
        assert said[0] == 2 and words in said[1], (text, said)


run(('names in named, from the grant to the release', with_named),
    ('names in dnsd', with_dnsd),
    ('the client does its part, or wants none', client_does_it),
    ('a lease that expires takes its name along', expiry),
    ('the server is away, the key is wrong, the worker dies', server_away),
    ('by TCP when UDP does not do', over_tcp),
    ('many names at once', many),
    ('wrong configurations', wrong_configuration))
