"""dhcpd asks whether an address is in use before it offers it: by ARP on a link, by ICMP echo behind
a relay, with somebody there who never asked for the address."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import SRCDIR, Daemon, NetNs, need_program, output, run, spawn, until

CONF = '''
%s
ping-check = %s
subnet "192.0.2.0/24" { pool "192.0.2.100-192.0.2.%d" { } }
'''
CLIENT = [sys.executable, os.path.join(SRCDIR, 'tests', 'support', 'dhcp_client.py')]


class Lan:
    """A server, a client and a squatter with 192.0.2.100 on one link."""

    def __init__(self):
        self.server, self.client, self.squatter = NetNs(), NetNs(), NetNs()
        self.server.ip('link', 'add', 'lan0', 'type', 'bridge')
        for i, (other, address) in enumerate(((self.client, '192.0.2.9/24'),
                                              (self.squatter, '192.0.2.100/24'))):
            name = 'port%d' % i
            self.server.add_veth(name, other, 'eth0', other_address=address)
            self.server.ip('link', 'set', name, 'master', 'lan0')
        self.server.ip('addr', 'add', '192.0.2.1/24', 'dev', 'lan0')
        self.server.ip('link', 'set', 'lan0', 'up')

    def __enter__(self):
        return self

    def __exit__(self, *what):
        for ns in (self.squatter, self.client, self.server):
            ns.close()


def dhcpd(lan, last, wait='300ms', where='interfaces = { "lan0" }'):
    return Daemon('dhcpd', conf=CONF % (where, wait, last), listen=(), netns=lan.server, workers=2)


def udhcpc(lan, *args):
    return subprocess.run(lan.client.prefix() + [
        need_program('udhcpc'), '-i', 'eth0', '-f', '-n', '-q', '-t', '5', '-T', '2', '-s',
        '/bin/true', *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60, check=False).stdout


def states(daemon):
    return {row['address']: row['state'] for row in daemon.ctl('leases')}


def by_arp():
    with Lan() as lan, dhcpd(lan, 101) as daemon:
        said = udhcpc(lan, '-r', '192.0.2.100')
        assert '192.0.2.101 obtained' in said, said
        assert states(daemon) == {'192.0.2.100': 'declined', '192.0.2.101': 'active'}
        assert 'address is used by somebody else' in daemon.log()
        assert daemon.metric('dhcpd_probes_total', result='answered') == 1
        silent = daemon.metric('dhcpd_probes_total', result='silent')
        assert silent >= 1, silent
        # an address that the client had before is not asked again
        assert '192.0.2.101 obtained' in udhcpc(lan)
        assert daemon.metric('dhcpd_probes_total', result='silent') == silent


def own_address():
    """The client itself answers: it has the address still."""
    with Lan() as lan:
        lan.squatter.ip('addr', 'del', '192.0.2.100/24', 'dev', 'eth0')
        lan.client.ip('addr', 'add', '192.0.2.100/24', 'dev', 'eth0')
        with dhcpd(lan, 100) as daemon:
            said = udhcpc(lan)
            assert '192.0.2.100 obtained' in said, said
            assert daemon.metric('dhcpd_probes_total', result='answered') == 0


def relayed(lan, number):
    return CLIENT + ['192.0.2.1:6767', '--hardware', '02:00:00:00:01:%02x' % number]


def by_echo():
    with Lan() as lan, dhcpd(lan, 101, where='listen = { "192.0.2.1:6767" }') as daemon:
        said = output([str(a) for a in relayed(lan, 1)], netns=lan.client)
        assert 'leased 192.0.2.101' in said, said
        # perhaps it was not the first choice: then another client finds out
        subprocess.run(lan.client.prefix() + relayed(lan, 2), capture_output=True, timeout=60,
                       check=False)
        until(lambda: states(daemon).get('192.0.2.100') == 'declined', 'the squatter is found')
        assert daemon.metric('dhcpd_probes_total', result='answered') == 1


def nobody_else_waits():
    with Lan() as lan, dhcpd(lan, 199, wait='3s', where='listen = { "192.0.2.1:6767" }') as daemon:
        output(relayed(lan, 1), netns=lan.client)
        waiting = spawn(relayed(lan, 2), netns=lan.client, stdout=subprocess.DEVNULL)
        until(lambda: daemon.metric('dhcpd_messages_received_total', type='discover') >= 3,
              'the second client has asked')
        output(relayed(lan, 1), netns=lan.client)
        assert waiting.poll() is None, 'it does not wait'
        assert waiting.wait(timeout=60) == 0
        # many at once: who finds no room to wait is answered without
        perf = need_program('perfdhcp')
        daemon.write('dhcpd.conf', CONF % ('listen = { "192.0.2.1:6767" }', '100ms', 199))
        daemon.ctl('reload')
        output([perf, '-4', '-R', 60, '-r', 200, '-n', 60, '-l', '192.0.2.9', '-L', 6768, '-N', 6767,
                '-W', 3000000, '192.0.2.1'], netns=lan.client, check=False, patience=60)
        until(lambda: daemon.metric('dhcpd_messages_sent_total', type='ack') >= 50, 'they are served')


run(('somebody on the link', by_arp),
    ('the client itself does not count', own_address),
    ('somebody behind a relay', by_echo),
    ('nobody else waits', nobody_else_waits))
