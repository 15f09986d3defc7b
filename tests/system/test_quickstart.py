"""What ./run starts and asks, on ports of this test's own; and the one-liners of the README."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import SRCDIR, Daemon, NetNs, directory, need_program, output, run

QUICKSTART = os.path.join(SRCDIR, 'conf', 'quickstart')


def quick(name):
    return Daemon(name, ['-c', os.path.join(QUICKSTART, name + '.conf')], workers=None)


def dig(address, *words):
    return output([need_program('dig'), '@' + address[0], '-p', str(address[1]), *words])


def lease(address, *words):
    return output([sys.executable, os.path.join(SRCDIR, 'tests', 'support', 'dhcp_client.py'),
                   '%s:%d' % address, *words])


def dns():
    with quick('dnsd') as dnsd:
        assert dig(dnsd.address('udp'), 'www.example.org', '+short').split() == [
            'web.example.org.', '192.0.2.80', '192.0.2.81']
        assert 'mail.example.org' in dig(dnsd.address('tcp'), 'example.org', 'MX', '+tcp')
        assert 'NXDOMAIN' in dig(dnsd.address('udp'), 'nowhere.example.org')


def dhcp():
    with quick('dhcpd') as dhcpd:
        first = lease(dhcpd.address('udp'))
        assert re.match(r'leased 127\.\d+\.\d+\.\d+ to 02:00:00:00:00:01 for 3600 s', first), first
        assert first.split()[1] == lease(dhcpd.address('udp')).split()[1]
        linked = lease(dhcpd.address('udp'), '--link', '10.0.0.1', '--hardware', '02:00:00:00:00:02')
        assert linked.startswith('leased 10.') and 'routers 10.0.0.1' in linked, linked


def http():
    with quick('httpd') as httpd:
        url = 'http://%s:%d/' % httpd.address('tcp')
        with open(os.path.join(QUICKSTART, 'www', 'index.html'), encoding='utf-8') as f:
            assert output([need_program('curl'), '-sS', url]) == f.read()


def one_liner_httpd():
    with Daemon('httpd', ['--root', os.path.join(QUICKSTART, 'www')]) as httpd:
        assert 'Keel' in output([need_program('curl'), '-sS',
                                 'http://%s:%d/' % httpd.address('tcp')])


def one_liner_dnsd():
    zone = 'example.org=' + os.path.join(QUICKSTART, 'example.org.zone')
    with Daemon('dnsd', ['--zone', zone]) as dnsd:
        assert dig(dnsd.address('udp'), 'ns1.example.org', 'AAAA', '+short') == '2001:db8::1\n'


def one_liner_dhcpd():
    """A link of its own; the client is a real one, on the other end of a cable."""
    with NetNs() as server, NetNs() as client:
        server.add_veth('lan0', client, 'eth0', '192.0.2.1/24')
        with Daemon('dhcpd', ['--interface', 'lan0', '--pool', '192.0.2.100-192.0.2.200'],
                    listen=None, netns=server):
            script = os.path.join(directory(), 'script')
            with open(script, 'w', encoding='utf-8') as f:
                f.write('#!/bin/sh\n[ "$1" = bound ] && echo "got $ip"\nexit 0\n')
            os.chmod(script, 0o755)
            told = output([need_program('udhcpc'), '-i', 'eth0', '-f', '-q', '-n', '-s', script],
                          netns=client)
            assert re.search(r'^got 192\.0\.2\.\d+$', told, re.M), told


run(('dnsd from conf/quickstart', dns),
    ('dhcpd from conf/quickstart', dhcp),
    ('httpd from conf/quickstart', http),
    ('httpd --listen --root', one_liner_httpd),
    ('dnsd --listen --zone', one_liner_dnsd),
    ('dhcpd --interface --pool', one_liner_dhcpd))
