"""dhcpd as its clients meet it: udhcpc and dhclient on a link of its own, perfdhcp and a plain
client through a port for relays; what is left when its processes are killed and its disk is full."""
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import (SRCDIR, Daemon, NetNs, Refused, Skip, check_conf, directory, need_program, need_root,
                  output, run, spawn, tap, until)
sys.path.insert(0, os.path.join(SRCDIR, 'tests', 'support'))
from dhcp_client import ACK, DISCOVER, NAK, OFFER, REQUEST, Client, message, option, parse  # noqa: E402

RELAYED = '''
lease-time = 1h
options { domain-name = "lan.example" }
subnet "127.0.0.0/8" { pool "127.64.0.1-127.64.15.254" { } }
subnet "10.0.0.0/8"  { pool "10.1.0.1-10.1.0.4" { } options { routers = { "10.0.0.1" } } }
'''
LINK = '''
interfaces = { "lan0" }
lease-time = 1h
options { domain-name = "lan.example" domain-name-servers = { "192.0.2.1", "192.0.2.2" } }
subnet "192.0.2.0/24" {
  interface = "lan0"
  pool "192.0.2.100-192.0.2.199" { }
  options { routers = "192.0.2.1" }
  reservation "printer" { hardware = "02:00:00:00:00:07" address = "192.0.2.7" hostname = "printer" }
}
'''


def dhcpd(conf=RELAYED, **options):
    options.setdefault('workers', 2)
    return Daemon('dhcpd', conf=conf, **options)


def client(daemon, number=1, link=None, patience=5.0):
    return Client(daemon.address('udp'), '02:00:00:00:%02x:%02x' % (number >> 8, number & 255), link,
                  patience=patience)


def lease(c):
    address, options = c.lease()
    assert options[53] == bytes([ACK]), options
    return address


def active_worker(daemon):
    """pid of the worker that serves."""
    return until(lambda: next((w['pid'] for w in daemon.ctl('workers')
                               if w['state'] == 'active'), None), 'a worker is active')


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


# ---- through the port for relays

def relayed():
    with dhcpd() as daemon:
        first = client(daemon)
        address, options = first.lease()
        assert options[53] == bytes([ACK]) and address.startswith('127.64.'), (address, options)
        assert options[15] == b'lan.example' and options[51] == (3600).to_bytes(4, 'big'), options
        assert options[82] == b'\x01\x0bdhcp_client', options
        assert lease(first) == address
        linked = lease(client(daemon, 2, link='10.0.0.1'))
        assert linked.startswith('10.1.0.'), linked
        rows = {row['address']: row for row in daemon.ctl('leases')}
        assert set(rows) == {address, linked}, rows
        assert rows[address]['state'] == 'active', rows
        assert rows[address]['hardware'] == '02:00:00:00:00:01', rows
        assert [r['address'] for r in daemon.ctl('leases', linked, 1)] == [linked]
        pools = {p['subnet']: p for p in daemon.ctl('pools')}
        assert pools['10.0.0.0/8']['bound'] == 1 and pools['10.0.0.0/8']['free'] == 3, pools
        first.release(address, options[54])
        until(lambda: daemon.ctl('leases', address, 1)[0]['state'] == 'released', 'released')
        for args in (('nonsense',), ('10.0.0.0', '0'), ('10.0.0.0', 'x')):
            try:
                daemon.ctl('leases', *args)
            except Refused:
                continue
            raise AssertionError(args)


def pool_runs_out():
    with dhcpd() as daemon:
        got = {lease(client(daemon, n, link='10.0.0.1')) for n in range(1, 5)}
        assert len(got) == 4, got
        try:
            client(daemon, 9, link='10.0.0.1', patience=0.5).ask(DISCOVER)
            raise AssertionError('an address too many')
        except TimeoutError:
            pass
        assert daemon.metric('dhcpd_messages_unanswered_total', reason='no-address') >= 1
        until(lambda: daemon.metric('dhcpd_pool_addresses', state='bound') == 4, 'the gauge says 4')
        # and a client that insists is told no
        address, options = client(daemon, 9, link='10.0.0.1').ask(
            REQUEST, option(50, socket.inet_aton(got.pop())))
        assert options[53] == bytes([NAK]) and address == '0.0.0.0', (address, options)


def garbage():
    with dhcpd() as daemon:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(daemon.address('udp'))
            for size in (0, 1, 239, 240, 300, 4096, 4097, 20000):
                s.send(b'\1' * size)
                s.send(os.urandom(size))
        assert lease(client(daemon))
        until(lambda: daemon.metric('dhcpd_messages_unanswered_total', reason='malformed') >= 14,
              'the garbage is counted')


def perfdhcp():
    """Four-way exchanges of many clients at once, through a relay on loopback."""
    perf = need_program('perfdhcp')
    with dhcpd() as daemon:
        host, port = daemon.address('udp')
        begin = time.monotonic()
        said = output([perf, '-4', '-R', 500, '-r', 500, '-n', 1000, '-l', host, '-L', free_port(),
                       '-N', port, '-W', 1000000, host], check=False, patience=60)
        acks = daemon.metric('dhcpd_messages_sent_total', type='ack')
        tap.note('perfdhcp: %d acks in %.1f s, %d commits' % (
            acks, time.monotonic() - begin, daemon.metric('dhcpd_commit_seconds_count')))
        assert 'rejected leases: 0' in said and 'Malformed packets: 0' in said, said
        assert acks >= 950, said
        known = daemon.ctl('leases', '127.0.0.0', 4096)
        assert 475 <= len(known) <= 501 and all(k['state'] == 'active' for k in known), len(known)


# ---- when something dies

def ack_means_durable():
    """Everything is killed the moment the ACK is there; the lease is in the store."""
    folder = directory()
    daemon = dhcpd(folder=folder)
    address = lease(client(daemon))
    daemon.kill_master()
    with dhcpd(folder=folder) as daemon:
        rows = daemon.ctl('leases')
        assert [r['address'] for r in rows] == [address], rows
        assert lease(client(daemon)) == address
        # nobody else gets it
        assert lease(client(daemon, 2)) != address


class Crowd:
    """Clients that all ask in the same moment, each for an address of its own."""

    def __init__(self, daemon, count):
        self.asked = {n: socket.inet_aton('127.64.%d.%d' % (1 + n // 200, 1 + n % 200))
                      for n in range(count)}
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.connect(daemon.address('udp'))
        self.sock.settimeout(10)
        worker, us = active_worker(daemon), socket.inet_aton('127.0.0.1')
        os.kill(worker, signal.SIGSTOP)  # so that all of them wait in the socket
        try:
            for n, address in self.asked.items():
                self.sock.send(message(REQUEST, n, self.hardware(n), us, None,
                                       options=option(50, address) + option(54, us)))
        finally:
            os.kill(worker, signal.SIGCONT)

    @staticmethod
    def hardware(number):
        return b'\2\0\0\1' + number.to_bytes(2, 'big')

    def answers(self):
        """{number: address} of the next ACK, which is waited for, and of those that came with it."""
        acks = {}
        try:
            while True:
                data = self.sock.recv(4096)
                address, options = parse(data)
                number = int.from_bytes(data[4:8], 'big')
                assert options[53] == bytes([ACK]), options
                assert self.asked[number] == socket.inet_aton(address), address
                acks[number] = address
                self.sock.setblocking(False)
        except BlockingIOError:
            self.sock.settimeout(10)
            return acks


def one_commit_for_many():
    """What waits together is answered in the order in which it came, after few commits; and killed
    at the first ACK, dhcpd knows every lease that it had told of."""
    folder = directory()
    daemon = dhcpd(folder=folder)
    crowd = Crowd(daemon, 400)
    numbers = []
    while len(numbers) < 400:
        numbers += crowd.answers()
    assert numbers == list(range(400)), numbers
    commits = daemon.metric('dhcpd_commit_seconds_count')
    tap.note('400 leases, %d commits' % commits)
    assert 1 <= commits <= 4, commits
    daemon.stop()
    for _ in range(3):
        daemon = dhcpd(folder=folder)
        crowd = Crowd(daemon, 1000)
        acks = crowd.answers()
        daemon.kill_master()
        crowd.sock.setblocking(False)
        acks.update(crowd.answers())
        tap.note('%d of 1000 told when it was killed' % len(acks))
        with dhcpd(folder=folder) as daemon:
            rows = {r['address']: r['hardware'] for r in daemon.ctl('leases', '127.0.0.0', 4096)}
            for number, address in acks.items():
                assert rows.get(address) == crowd.hardware(number).hex(':'), (address, number)


def standby_takes_over():
    with dhcpd() as daemon:
        before = {n: lease(client(daemon, n)) for n in range(1, 40)}
        taken = []
        for round_ in range(3):
            c = client(daemon, 100 + round_)
            offered, offer = c.ask(DISCOVER)
            assert offer[53] == bytes([OFFER]), offer
            victim = active_worker(daemon)
            os.kill(victim, signal.SIGKILL)
            begin = time.monotonic()
            # between OFFER and REQUEST; the client sends again once, as every client does
            c.sock.settimeout(0.02)
            address, options = patient(c, option(50, socket.inet_aton(offered))
                                       + option(54, offer[54]))
            taken.append((time.monotonic() - begin) * 1000)
            assert address == offered and options[53] == bytes([ACK]), (address, options)
            assert active_worker(daemon) != victim
            until(lambda: sorted(w['state'] for w in daemon.ctl('workers'))
                  == ['active', 'standby'], 'a new standby')
        tap.note('answered after the kill: %s ms' % ', '.join('%.0f' % t for t in taken))
        assert max(taken) < 2000, taken
        for n, address in before.items():
            assert lease(client(daemon, n)) == address
        assert len(daemon.ctl('leases')) == len(before) + 3


def patient(c, options):
    """A REQUEST that is sent again every 20 ms until it is answered."""
    deadline = time.monotonic() + 20
    patience, c.patience = c.patience, 0.02
    try:
        while True:
            try:
                return c.ask(REQUEST, options)
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise
    finally:
        c.patience = patience


def reload_keeps_leases():
    with dhcpd() as daemon:
        address = lease(client(daemon))
        daemon.write('dhcpd.conf', RELAYED.replace('lease-time = 1h', 'lease-time = 2h'))
        daemon.ctl('reload')
        again, options = client(daemon).lease()
        assert again == address and options[51] == (7200).to_bytes(4, 'big'), (again, options)
        daemon.write('dhcpd.conf', RELAYED.replace('10.1.0.4', '11.0.0.4'))
        try:
            daemon.ctl('reload')
            raise AssertionError('a wrong file was taken')
        except Refused as reason:
            assert 'dhcpd.conf:5: ' in str(reason) and '11.0.0.4' in str(reason), reason
        assert lease(client(daemon)) == address


class SmallDisk:
    """In place of a network namespace: a mount namespace with a small file system."""

    def __init__(self, path, size):
        self.path, self.size = path, size

    def prefix(self):
        return [need_program('unshare'), '-m', '--', 'sh', '-c',
                'mount -t tmpfs -o size=%s none %s && shift && exec "$@"'
                % (self.size, shlex.quote(self.path)), 'sh', '--']


def disk_full():
    """No promise that is not on disk; old ones are kept; the process lives."""
    need_root()
    folder = directory()
    state = os.path.join(folder, 'state')
    os.mkdir(state)
    disk = SmallDisk(state, '256k')
    if subprocess.run(disk.prefix() + ['true'], capture_output=True, check=False).returncode != 0:
        raise Skip('a file system cannot be mounted here')
    with dhcpd(folder=folder, netns=disk) as daemon:
        got = {}
        for n in range(1, 4000):
            try:
                got[n] = lease(client(daemon, n, patience=0.2))
            except TimeoutError:
                break
        assert 100 < len(got) < 3999, len(got)
        tap.note('the disk was full after %d leases' % len(got))
        assert daemon.metric('dhcpd_commit_failures_total') >= 1
        assert daemon.metric('dhcpd_replies_withheld_total') >= 1
        assert client(daemon, 5000).ask(DISCOVER)[1][53] == bytes([OFFER])
        leases = {row['address']: row for row in daemon.ctl('leases', '127.0.0.0', 4096)}
        assert set(leases) == set(got.values())
        assert len(daemon.ctl('workers')) == 2


# ---- on a link

class Link:
    """A server's and a client's namespace with a cable between them."""

    def __init__(self, mac='02:00:00:00:00:01', cable=True):
        self.server, self.client, self.mac = NetNs(), NetNs(), mac
        self.folder = directory()
        if cable:
            self.connect()

    def connect(self):
        self.server.add_veth('lan0', self.client, 'eth0', '192.0.2.1/24', mac=self.mac)

    def script(self):
        """What the clients run with the result in their environment: notes it, sets nothing."""
        path = os.path.join(self.folder, 'script')
        with open(path, 'w') as f:
            f.write('#!/bin/sh\n{ echo "event=${1:-$reason}"; env; echo; } >>%s\n'
                    % shlex.quote(os.path.join(self.folder, 'events')))
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return path

    def event(self, *names):
        """The variables of the last event of these names, when there was one."""
        try:
            with open(os.path.join(self.folder, 'events')) as f:
                blocks = f.read().split('\n\n')[:-1]  # the last may not be whole yet
        except OSError:
            return None
        found = [dict(line.split('=', 1) for line in block.splitlines() if '=' in line)
                 for block in blocks]
        found = [block for block in found if block.get('event') in names]
        return found[-1] if found else None

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.client.close()
        self.server.close()


def udhcpc(link, *args):
    return [need_program('udhcpc'), '-i', 'eth0', '-f', '-n', '-t', 10, '-T', 1,
            '-s', link.script(), *args]


def with_udhcpc():
    for more in ((), ('-B',)):  # answered by hardware address, and by broadcast
        with Link() as link, dhcpd(LINK, listen=(), netns=link.server) as daemon:
            output(udhcpc(link, '-q', *more), netns=link.client)
            got = link.event('bound')
            assert got and got['ip'].startswith('192.0.2.1'), got
            assert got['router'] == '192.0.2.1' and got['domain'] == 'lan.example', got
            assert got['dns'] == '192.0.2.1 192.0.2.2' and got['lease'] == '3600', got
            assert got['subnet'] == '255.255.255.0' and got['serverid'] == '192.0.2.1', got
            assert daemon.ctl('leases')[0]['address'] == got['ip']
            assert daemon.metric('dhcpd_send_errors_total') == 0


class Unprivileged:
    """A network namespace in which packet sockets cannot be opened."""

    def __init__(self, netns):
        self.netns = netns

    def prefix(self):
        return self.netns.prefix() + [need_program('setpriv'), '--bounding-set=-net_raw',
                                      '--inh-caps=-net_raw', '--']


def without_a_packet_socket():
    with Link() as link, dhcpd(LINK, listen=(), netns=Unprivileged(link.server)) as daemon:
        output(udhcpc(link, '-q'), netns=link.client)
        assert link.event('bound')['ip'].startswith('192.0.2.1')
        assert daemon.log().count('no packet socket') == 1, daemon.log()


def stopped_at_start(daemon):
    """Kills the worker, and stops the next one before it serves. None: it was quicker."""
    old = set(daemon.children())
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    pid = until(lambda: set(daemon.children()) - old, 'another worker', pause=0.0005).pop()
    os.kill(pid, signal.SIGSTOP)
    if [row['state'] for row in daemon.ctl('workers') if row['pid'] == pid] == ['starting']:
        return pid
    os.kill(pid, signal.SIGCONT)
    until(lambda: daemon.ctl('workers')[0]['state'] == 'active', 'it to serve')
    return None


def cable_exchanged_at_start():
    """The interface goes and comes back while a worker starts: it serves the new one."""
    with Link() as link, dhcpd('respawn-budget = 0\n' + LINK, listen=(), workers=1,
                               netns=link.server) as daemon:
        pid = None
        for _ in range(8):
            pid = pid or stopped_at_start(daemon)
        if not pid:
            raise Skip('the worker is too quick to be stopped')
        link.server.ip('link', 'del', 'lan0')
        until(lambda: 'interface is gone' in daemon.log(), 'the interface to be missed')
        link.connect()
        until(lambda: 'interface appeared' in daemon.log(), 'the interface')
        os.kill(pid, signal.SIGCONT)
        until(lambda: daemon.ctl('workers')[0]['state'] == 'active', 'it to serve')
        output(udhcpc(link, '-q'), netns=link.client)
        assert link.event('bound')['ip'].startswith('192.0.2.1')


def udhcpc_renews_and_releases():
    with Link() as link, dhcpd(LINK, listen=(), netns=link.server) as daemon:
        process = spawn(udhcpc(link, '-R', '-x', 'hostname:box'), netns=link.client,
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
        address = until(lambda: link.event('bound'), 'bound')['ip']
        link.client.ip('addr', 'add', address + '/24', 'dev', 'eth0')
        first = daemon.ctl('leases')[0]
        assert first['hostname'] == 'box', first
        time.sleep(1.1)  # whole seconds
        process.send_signal(signal.SIGUSR1)
        assert until(lambda: link.event('renew'), 'renewed')['ip'] == address
        assert daemon.ctl('leases')[0]['expires'] > first['expires']
        process.terminate()
        process.wait(timeout=20)
        until(lambda: daemon.ctl('leases')[0]['state'] == 'released', 'released')


def reservation():
    with Link(mac='02:00:00:00:00:07') as link, dhcpd(LINK, listen=(), netns=link.server):
        output(udhcpc(link, '-q', '-C', '-O', 'hostname'), netns=link.client)
        got = link.event('bound')
        assert got and got['ip'] == '192.0.2.7' and got['hostname'] == 'printer', got


def with_dhclient():
    program_ = need_program('dhclient')
    with Link() as link, dhcpd(LINK, listen=(), netns=link.server) as daemon:
        files = ['-lf', os.path.join(link.folder, 'leases'),
                 '-pf', os.path.join(link.folder, 'pid'), '-sf', link.script(),
                 '-cf', '/dev/null']
        process = spawn([program_, '-4', '-d', '-1', *files, 'eth0'], netns=link.client,
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
        got = until(lambda: link.event('BOUND'), 'dhclient is bound')
        address = got['new_ip_address']
        assert address.startswith('192.0.2.1') and got['new_routers'] == '192.0.2.1', got
        assert got['new_dhcp_server_identifier'] == '192.0.2.1', got
        assert daemon.ctl('leases')[0]['address'] == address
        process.terminate()
        process.wait(timeout=20)
        # INIT-REBOOT: it asks for the address that it remembers
        process = spawn([program_, '-4', '-d', '-1', *files, 'eth0'], netns=link.client,
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
        assert until(lambda: link.event('REBOOT'), 'dhclient is back')['new_ip_address'] == address
        process.terminate()
        process.wait(timeout=20)


def takeover_on_a_link():
    """The active worker is killed; a client that comes then is served by the standby."""
    with Link() as link, dhcpd(LINK, listen=(), netns=link.server) as daemon:
        output(udhcpc(link, '-q'), netns=link.client)
        address = link.event('bound')['ip']
        os.kill(active_worker(daemon), signal.SIGKILL)
        os.unlink(os.path.join(link.folder, 'events'))
        output(udhcpc(link, '-q'), netns=link.client)
        assert link.event('bound')['ip'] == address
        assert len(daemon.ctl('leases')) == 1


def interface_comes_later():
    with Link(cable=False) as link, dhcpd(LINK, listen=(), netns=link.server):
        link.connect()
        output(udhcpc(link, '-q'), netns=link.client)
        assert link.event('bound')['ip'].startswith('192.0.2.1')


def without_a_file():
    with Link() as link, Daemon(
            'dhcpd', ['--interface', 'lan0', '--pool', '192.0.2.50-192.0.2.60'], listen=(),
            netns=link.server):
        output(udhcpc(link, '-q'), netns=link.client)
        got = link.event('bound')
        assert 50 <= int(got['ip'].rsplit('.', 1)[1]) <= 60 and got['mask'] == '24', got


# ---- configuration

WRONG = (  # what is added to a good file, what is said of it
    ('schedule = kernel', 'schedule: dhcpd has one writer'),
    ('subnet "192.0.2.1/24" { }', 'subnet "192.0.2.1/24"'),
    ('subnet "2001:db8::/32" { }', 'IPv4'),
    ('subnet "10.1.0.0/16" { }', 'overlaps'),
    ('subnet "192.0.2.0/24" { pool "192.0.2.9" { } }', 'FIRST-LAST'),
    ('subnet "192.0.2.0/24" { pool "192.0.2.9-192.0.3.9" { } }', '192.0.3.9 is not in the subnet'),
    ('subnet "192.0.2.0/24" { pool "192.0.2.0-192.0.2.9" { } }', "no host's"),
    ('subnet "192.0.2.0/24" { interface = "lan7" }', '"lan7" is not one of interfaces'),
    ('subnet "192.0.2.0/24" { lease-time = 10s lease-time-min = 1m }', 'lease-time'),
    ('subnet "192.0.2.0/24" { options { routers = "here" } }', 'routers: "here" is not an IPv4'),
    ('subnet "192.0.2.0/24" { options { interface-mtu = 70000 } }', 'interface-mtu: 70000'),
    ('subnet "192.0.2.0/24" { options { no-such-option = 1 } }', 'no-such-option'),
    ('subnet "192.0.2.0/24" { options { domain-name = { "a", "b" } } }', 'one value'),
    ('subnet "192.0.2.0/24" { reservation "p" { address = "192.0.2.7" } }', 'for whom?'),
    ('subnet "192.0.2.0/24" { reservation "p" { match = "x" address = "192.0.2.7" } }', 'column 1'),
    ('subnet "192.0.2.0/24" { reservation "p" { match = "true" hardware = "02:00" } }', 'beside'),
    ('subnet "192.0.2.0/24" { reservation "p" { hardware = "x" address = "192.0.2.7" } }',
     'hardware address'),
    ('subnet "192.0.2.0/24" { reservation "p" { hardware = "02:00" address = "192.0.3.7" } }',
     '192.0.3.7 is not in the subnet'),
    ('option-definition "routers" { code = 224 type = text }', 'exists already'),
    ('option-definition "mine" { code = 51 type = text }', '51'),
    ('option-definition "mine" { code = 3 type = text }', '"routers" already'),
    ('option-definition "mine" { code = 224 type = words }', 'no such type'),
    ('interfaces = { "an-impossibly-long-name" }', 'not the name of an interface'),
    ('interfaces = { "a", "a" }', 'twice'),
    ('class "pxe" { match = "option.nothing == 1" }', 'match: column 8: there is no option'),
    ('class "pxe" { }', 'match'),
    ('class "known" { match = "true" }', 'is there already'),
    ('class "a" { match = "member(\'b\')" } class "b" { match = "true" }', 'no class "b" stands'),
    ('class "a" { match = "true" next-server = "here" }', 'next-server: an IPv4 address'),
    ('class "a" { match = "true" lease-time = 1m lease-time-min = 2m }', 'lease-time'),
    ('class "a" { match = "true" renewal-time = 2m rebinding-time = 1m }', 'renewal-time'),
    ('always-send = { "nothing" }', 'no option "nothing"'),
    ('subnet "192.0.2.0/24" { options { rapid-commit = true } }', 'set by the server itself'),
    ('reservation "r" { hardware = "02:00" address = "10.1.0.1" }', 'address: an address is reserved'),
    ('reservation "r" { hardware = "02:00" } reservation "s" { hardware = "02:00" }',
     'reservation "s": its hardware has another reservation here: "r"'),
    ('subnet "192.0.2.0/24" { allow-class = { "x" } }', 'allow-class: there is no class "x"'),
    ('shared-network "s" { }', 'at least one subnet'),
    ('shared-network "s" { subnet "192.0.2.0/24" { interface = "lan0" } }', 'shared network around'),
    ('option-definition "mine" { code = 224 type = record }', 'needs fields'),
    ('option-definition "mine" { code = 224 type = text fields = "text" }', 'only a record'),
    ('option-definition "mine" { code = 1 type = text vendor = "v" enterprise = 1 }', 'not of both'),
    ('subnet "192.0.2.0/24" { pool "192.0.2.9-192.0.2.10" { allow-class = { "x" } } }',
     'allow-class: there is no class "x"'),
)


def wrong_configuration():
    good = 'listen = { "127.0.0.1:0" }\n' + RELAYED
    assert check_conf('dhcpd', good)[0] == 0, check_conf('dhcpd', good)
    line = good.count('\n') + 1
    for added, words in WRONG:
        status, said = check_conf('dhcpd', good + added + '\n')
        assert status == 2, (added, said)
        assert 'dhcpd.conf:%d: ' % line in said and words in said, (added, said)
    for text, words in (('', 'nothing to serve'), ('listen = { "127.0.0.1:0" }', 'no subnet'),
                        ('listen = { "[::1]:67" }' + RELAYED, 'IPv4')):
        status, said = check_conf('dhcpd', text)
        assert status == 2 and words in said, (text, said)


def own_options():
    conf = ('option-definition "printer-queue" { code = 224 type = text }\n'
            'option-definition "ports" { code = 225 type = uint16 list = true }\n' + RELAYED.replace(
                'options { routers', 'options { printer-queue = "lp0" ports = { 1, 515 } routers'))
    with dhcpd(conf) as daemon:
        c = client(daemon, link='10.0.0.1')
        _, options = c.ask(DISCOVER, option(55, bytes([224, 225])))
        assert options[224] == b'lp0' and options[225] == b'\0\1\2\3', options


run(('an exchange through a relay, and what keelctl shows of it', relayed),
    ('a pool that runs out', pool_runs_out),
    ('garbage stops nobody', garbage),
    ('perfdhcp through the relay port', perfdhcp),
    ('an ACK means that the lease is on disk', ack_means_durable),
    ('who waits together waits for one commit', one_commit_for_many),
    ('the standby takes over with all leases', standby_takes_over),
    ('a reload keeps leases, a wrong one changes nothing', reload_keeps_leases),
    ('a full disk makes no promise', disk_full),
    ('udhcpc over a link', with_udhcpc),
    ('udhcpc renews and releases', udhcpc_renews_and_releases),
    ('answers by broadcast without a packet socket', without_a_packet_socket),
    ('a reservation', reservation),
    ('dhclient over a link, and back', with_dhclient),
    ('the standby takes over on a link', takeover_on_a_link),
    ('an interface that comes later', interface_comes_later),
    ('a cable that is exchanged while a worker starts', cable_exchanged_at_start),
    ('without a configuration file', without_a_file),
    ('wrong configurations', wrong_configuration),
    ('options of the file\'s own', own_options))
