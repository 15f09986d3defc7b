"""dhcpd and clients that nobody here wrote, each through its life: INIT, RENEWING, REBINDING,
INIT-REBOOT, a cable moved to another network, RELEASE; on links, on a VLAN and behind relays.

Clients wait for lease times, so they all live at the same time, each in a thread of its own. With
arguments: the cases of these names."""
import concurrent.futures
import os
import shlex
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Daemon, NetNs, Skip, directory, need_program, output, run, spawn, until

LINKS = '''
interfaces = { "lan0", "lan1" }
lease-time = 1m
renewal-time = 4s
rebinding-time = 7s
options { domain-name = "lan.example" }
subnet "192.0.2.0/24" { interface = "lan0" pool "192.0.2.100-192.0.2.199" { } }
subnet "198.51.100.0/24" { interface = "lan1" pool "198.51.100.100-198.51.100.199" { } }
'''
BEHIND_RELAY = '''
listen = { "192.0.2.1:67" }
lease-time = 1h
subnet "10.0.0.0/24" { pool "10.0.0.100-10.0.0.199" { } options { routers = "10.0.0.1" } }
'''
# What a client runs with the result in its environment: notes it, and sets the address.
SCRIPT = r'''#!/bin/sh
event=${reason:-$1}
{ echo "event=$event"; env; echo; } >>EVENTS
case $event in
bound | renew) ip addr flush dev eth0; ip addr add "$ip/$mask" dev eth0 ;;
BOUND | RENEW | REBIND | REBOOT)
    [ -n "$SELF" ] || { ip addr flush dev eth0; ip addr add "$new_ip_address/24" dev eth0; } ;;
esac
exit 0
'''


class Links:
    """A server with two links, and a client whose cable is plugged into one of them."""

    def __init__(self):
        self.server, self.client = NetNs(), NetNs()
        self.folder = directory()
        for name, address in (('lan0', '192.0.2.1/24'), ('lan1', '198.51.100.1/24')):
            self.server.ip('link', 'add', name, 'type', 'bridge')
            self.server.ip('addr', 'add', address, 'dev', name)
            self.server.ip('link', 'set', name, 'up')
        self.plug('lan0')

    def plug(self, link):
        self.client.ip('link', 'add', 'eth0', 'address', '02:00:00:00:00:01', 'type', 'veth',
                       'peer', 'name', 'port', 'netns', str(self.server.holder.pid))
        self.server.ip('link', 'set', 'port', 'master', link, 'up')
        self.client.ip('link', 'set', 'eth0', 'up')

    def move(self, link):
        self.client.ip('link', 'del', 'eth0')
        self.plug(link)

    def unicast(self, works):
        """Whether the client can reach the server's address; broadcasts always arrive."""
        if works:
            # gone already where the client's script has set its address anew
            output(['ip', 'neigh', 'del', '192.0.2.1', 'dev', 'eth0'], netns=self.client,
                   check=False)
        else:
            self.client.ip('neigh', 'replace', '192.0.2.1', 'lladdr', '02:ff:ff:ff:ff:ff', 'dev',
                           'eth0', 'nud', 'permanent')

    def script(self):
        path = os.path.join(self.folder, 'script')
        with open(path, 'w', encoding='ascii') as f:
            f.write(SCRIPT.replace('EVENTS', shlex.quote(self.path('events'))))
        os.chmod(path, 0o755)
        return path

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='ascii') as f:
            f.write(text)
        return self.path(name)

    def forget(self):
        """Events before do not count."""
        if os.path.exists(self.path('events')):
            os.unlink(self.path('events'))

    def event(self, *names):
        try:
            with open(self.path('events'), encoding='utf-8') as f:
                blocks = f.read().split('\n\n')[:-1]  # the last may not be whole yet
        except OSError:
            return None
        found = [dict(line.split('=', 1) for line in block.splitlines() if '=' in line)
                 for block in blocks]
        found = [block for block in found if block.get('event') in names]
        return found[-1] if found else None

    def wait(self, *names):
        return until(lambda: self.event(*names), 'the client says ' + ' or '.join(names),
                     patience=60)

    def start(self, argv):
        log = open(self.path('log'), 'ab')  # noqa: SIM115 - the client's, until it ends
        return spawn(argv, netns=self.client, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        if what[0] and not issubclass(what[0], Skip) and os.path.exists(self.path('log')):
            with open(self.path('log'), encoding='utf-8', errors='replace') as f:
                print('\n'.join('# ' + line for line in f.read().splitlines()[-40:]))
        self.client.close()
        self.server.close()


def dhcpd(conf, netns):
    return Daemon('dhcpd', conf=conf, listen=(), netns=netns)


def stop(process, how=signal.SIGTERM):
    process.send_signal(how)
    process.wait(timeout=30)


def sent(daemon, kind):
    return daemon.metric('dhcpd_messages_sent_total', type=kind)


def state(daemon, address):
    return next(row['state'] for row in daemon.ctl('leases') if row['address'] == address)


# ---- udhcpc: no INIT-REBOOT, it forgets when it ends; SIGUSR1 renews, SIGUSR2 releases

def udhcpc():
    with Links() as links, dhcpd(LINKS, links.server) as daemon:
        argv = [need_program('udhcpc'), '-i', 'eth0', '-f', '-t', 20, '-T', 1, '-A', 1,
                '-s', links.script()]
        process = links.start(argv)
        address = links.wait('bound')['ip']
        assert address.startswith('192.0.2.1'), address
        process.send_signal(signal.SIGUSR1)
        links.wait('renew')
        links.unicast(False)
        links.forget()
        process.send_signal(signal.SIGUSR1)
        assert links.wait('renew')['ip'] == address
        links.unicast(True)
        # SIGUSR2 gives the address back and waits; it starts over with the next SIGUSR1
        process.send_signal(signal.SIGUSR2)
        until(lambda: state(daemon, address) == 'released', 'the lease was given back')
        stop(process)
        links.forget()
        process = links.start(argv + ['-B'])  # answered by broadcast
        assert links.wait('bound')['ip'] == address
        # the port is moved to another network while the client holds on to its address
        links.server.ip('link', 'set', 'port', 'master', 'lan1')
        links.unicast(False)
        links.forget()
        process.send_signal(signal.SIGUSR1)
        assert links.wait('bound')['ip'].startswith('198.51.100.1')
        assert sent(daemon, 'nak') >= 1
        stop(process)


# ---- dhclient

def dhclient():
    with Links() as links, dhcpd(LINKS, links.server) as daemon:
        quick = 'initial-interval 1; backoff-cutoff 1; reboot 20; retry 1; timeout 20;\n'
        quiet = links.write('quiet.conf', quick)
        loud = links.write('loud.conf', quick + 'interface "eth0" { bootp-broadcast-always; }\n')
        common = [need_program('dhclient'), '-4', '-sf', links.script(), '-lf', links.path('leases'),
                  '-pf', links.path('pid')]

        def bound():
            """How often it has written down a lease: that is after it has called the script."""
            with open(links.path('log'), encoding='utf-8') as f:
                return f.read().count('bound to')
        process = links.start(common + ['-d', '-cf', quiet, 'eth0'])
        address = links.wait('BOUND')['new_ip_address']
        assert address.startswith('192.0.2.1'), address
        assert links.wait('RENEW')['new_ip_address'] == address
        links.unicast(False)
        links.forget()  # it calls the next one RENEW too
        before = bound()
        assert links.wait('RENEW', 'REBIND')['new_ip_address'] == address
        until(lambda: bound() > before, 'the lease is written down')
        links.unicast(True)
        stop(process)
        process = links.start(common + ['-d', '-cf', loud, 'eth0'])
        assert links.wait('REBOOT')['new_ip_address'] == address
        stop(process)
        links.forget()
        links.move('lan1')
        before = bound()
        process = links.start(common + ['-d', '-cf', loud, 'eth0'])
        moved = links.wait('BOUND')['new_ip_address']
        until(lambda: bound() > before, 'the lease is written down')
        assert moved.startswith('198.51.100.1') and sent(daemon, 'nak') >= 1, moved
        # ends the other one, too
        output(common + ['-r', '-cf', quiet, 'eth0'], netns=links.client, patience=30)
        process.wait(timeout=30)
        until(lambda: state(daemon, moved) == 'released', 'the lease was given back')


# ---- dhcpcd: it sets its addresses itself, and keeps its leases in a place of the system

def dhcpcd():
    with Links() as links, dhcpd(LINKS, links.server) as daemon:
        for name in ('db', 'run'):
            os.mkdir(links.path(name))
        conf = links.write('dhcpcd.conf', 'noarp\nnoipv4ll\nclientid\nreboot 20\nenv SELF=1\n'
                           'option subnet_mask, domain_name\n')
        program = need_program('dhcpcd')
        mounts = ' && '.join('mkdir -p %s && mount --bind %s %s' % (to, links.path(name), to)
                             for name, to in (('db', '/var/lib/dhcpcd'), ('run', '/run/dhcpcd')))

        def start(*more):
            argv = [program, '-4', '-B', '-f', conf, '-c', links.script(), *more, 'eth0']
            return links.start([need_program('unshare'), '-m', 'sh', '-c',
                                '%s && exec %s' % (mounts, shlex.join(argv))])
        process = start()
        address = links.wait('BOUND')['new_ip_address']
        assert address.startswith('192.0.2.1'), address
        assert links.wait('RENEW')['new_ip_address'] == address
        links.unicast(False)
        assert links.wait('REBIND')['new_ip_address'] == address
        links.unicast(True)
        stop(process)
        process = start('-J')  # the broadcast flag
        assert links.wait('REBOOT')['new_ip_address'] == address
        stop(process)
        links.forget()
        links.move('lan1')
        process = start('-J')
        moved = links.wait('BOUND')['new_ip_address']
        assert moved.startswith('198.51.100.1') and sent(daemon, 'nak') >= 1, moved
        stop(process, signal.SIGALRM)  # releases
        until(lambda: state(daemon, moved) == 'released', 'the lease was given back')


# ---- systemd-networkd, without the rest of systemd: its log says what it does

NETWORKD = '/usr/lib/systemd/systemd-networkd'
NETWORKD_CONF = '''
[Match]
Name=eth0
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
[DHCPv4]
ClientIdentifier=mac
RequestBroadcast=yes
'''


def networkd():
    if not os.path.exists(NETWORKD):
        raise Skip('needs systemd-networkd')
    with Links() as links, dhcpd(LINKS, links.server) as daemon:
        for name in ('network', 'netif/leases', 'netif/links', 'netif/lldp'):
            os.makedirs(links.path(os.path.join('run', name)))
        links.write('run/network/eth0.network', NETWORKD_CONF)
        os.chmod(links.folder, 0o755)
        # a read-only /sys tells it that no udev will come
        commands = ('mount -t sysfs -o ro none /sys', 'chown -R systemd-network %s/run',
                    'mkdir -p /run/systemd', 'mount --bind %s/run /run/systemd',
                    'mount --bind %s/run/network /etc/systemd/network',
                    'SYSTEMD_LOG_LEVEL=debug exec ' + NETWORKD)
        process = links.start([need_program('unshare'), '-m', 'sh', '-c',
                               ' && '.join(commands).replace('%s', links.folder)])
        seen = 0

        def says(*texts):
            """These, in this order, behind those of before."""
            nonlocal seen
            for text in texts:
                def found(text=text):
                    with open(links.path('log'), encoding='utf-8', errors='replace') as f:
                        return f.read().find(text, seen) + 1
                if process.poll() is not None:
                    raise Skip('systemd-networkd does not run here')
                seen = until(found, 'networkd says ' + text, patience=60)

        def has(prefix):
            return prefix in links.client.ip('-4', 'addr', 'show', 'dev', 'eth0')
        says('client: DISCOVER', 'client: ACK')
        until(lambda: has(' 192.0.2.1'), 'the address is set')
        says('REQUEST (renewing)', 'client: ACK')
        links.unicast(False)
        says('REQUEST (rebinding)', 'client: ACK')
        links.unicast(True)
        for link, answer, prefix in (('lan0', 'ACK', ' 192.0.2.1'), ('lan1', 'NAK', ' 198.51.100.1')):
            links.server.ip('link', 'set', 'port', 'down')
            says('Lost carrier')
            links.server.ip('link', 'set', 'port', 'master', link, 'up')
            says('REQUEST (init-reboot)', 'client: ' + answer)
            until(lambda prefix=prefix: has(prefix), 'the address is set')
        address = next(row['address'] for row in daemon.ctl('leases')
                       if row['address'].startswith('198.51.100.1'))
        stop(process)
        until(lambda: state(daemon, address) == 'released', 'the lease was given back')


# ---- what a client is told depends on what it is

POLICY = '''
interfaces = { "lan0" }
class "phone" {
  match = "substring(option.vendor-class-identifier, 0, 5) == 'phone'"
  lease-time = 10m
  options { domain-name = "phones.example" }
}
options { domain-name = "lan.example" }
shared-network "floor" {
  interface = "lan0"
  subnet "192.0.2.0/24" {
    pool "192.0.2.100-192.0.2.100" { deny-class = { "phone" } }
  }
  subnet "203.0.113.0/24" {
    pool "203.0.113.100-203.0.113.100" { allow-class = { "phone" } }
    options { routers = { "203.0.113.1" } }
    reservation "kiosk" {
      client-id = "kiosk"  address = "203.0.113.7"
      next-server = "192.0.2.9"  boot-file = "kiosk.ipxe"
    }
  }
}
'''


def policy():
    with Links() as links, dhcpd(POLICY, links.server) as daemon:
        def ask(*more):
            links.forget()
            output([need_program('udhcpc'), '-i', 'eth0', '-f', '-q', '-n', '-t', 20, '-T', 1, '-s',
                    links.script(), '-O', 'bootfile', *more], netns=links.client, patience=60)
            return links.wait('bound')
        plain = ask()
        assert plain['ip'] == '192.0.2.100' and plain['domain'] == 'lan.example', plain
        phone = ask('-V', 'phone-x1')
        assert phone['ip'] == '203.0.113.100' and phone['router'] == '203.0.113.1', phone
        assert phone['domain'] == 'phones.example' and phone['lease'] == '600', phone
        kiosk = ask('-x', '0x3d:' + b'kiosk'.hex())
        assert kiosk['ip'] == '203.0.113.7' and kiosk['boot_file'] == 'kiosk.ipxe', kiosk
        assert kiosk['siaddr'] == '192.0.2.9', kiosk
        # the first lease was given back for the second: one client, one link, one address
        assert state(daemon, '192.0.2.100') == 'released'
        assert state(daemon, '203.0.113.100') == 'active'


# ---- on a VLAN

def vlan():
    with NetNs() as server, NetNs() as client:
        server.add_veth('trunk', client, 'trunk', mac='02:00:00:00:00:01')
        for ns, name in ((server, 'lan0'), (client, 'eth0')):
            answer = subprocess.run(ns.prefix() + shlex.split(
                'ip link add link trunk name %s type vlan id 5' % name), capture_output=True,
                text=True, check=False)
            if 'Unknown device type' in answer.stderr:
                raise Skip('this kernel has no VLANs')
            assert answer.returncode == 0, answer
            ns.ip('link', 'set', name, 'up')
        server.ip('addr', 'add', '192.0.2.1/24', 'dev', 'lan0')
        folder = directory()
        script = os.path.join(folder, 'script')
        with open(script, 'w', encoding='ascii') as f:
            f.write('#!/bin/sh\n[ "$1" = bound ] && echo "$ip" >%s/bound\nexit 0\n' % folder)
        os.chmod(script, 0o755)
        conf = LINKS.replace(', "lan1"', '').replace(' interface = "lan1"', '')
        with dhcpd(conf, server):
            output([need_program('udhcpc'), '-i', 'eth0', '-f', '-q', '-n', '-t', 20, '-T', 1, '-s',
                    script], netns=client, patience=30)
            with open(os.path.join(folder, 'bound'), encoding='ascii') as f:
                assert f.read().startswith('192.0.2.1')


# ---- behind relays

def behind(relay):
    """A client, a relay, a server: the client's link is not the server's."""
    with NetNs() as server, NetNs() as middle, NetNs() as client:
        server.add_veth('lan0', middle, 'upper', '192.0.2.1/24', '192.0.2.2/24')
        middle.add_veth('lower', client, 'eth0', '10.0.0.1/24', mac='02:00:00:00:00:01')
        server.ip('route', 'add', '10.0.0.0/24', 'via', '192.0.2.2')
        folder = directory()
        events = os.path.join(folder, 'events')
        script = os.path.join(folder, 'script')
        with open(script, 'w', encoding='ascii') as f:
            f.write('#!/bin/sh\necho "$1 $ip $router" >>%s\nexit 0\n' % events)
        os.chmod(script, 0o755)

        def said(word):
            if not os.path.exists(events):
                return None
            with open(events, encoding='ascii') as f:
                return next((line.split() for line in f if line.startswith(word)), None)
        with dhcpd(BEHIND_RELAY, server) as daemon:
            spawn(relay(folder), netns=middle, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                  stderr=subprocess.DEVNULL)
            process = spawn([need_program('udhcpc'), '-i', 'eth0', '-f', '-t', 40, '-T', 1, '-s',
                             script], netns=client, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            bound = until(lambda: said('bound'), 'the client is bound', patience=60)
            assert bound[1].startswith('10.0.0.1') and bound[2] == '10.0.0.1', bound
            assert state(daemon, bound[1]) == 'active'
            process.send_signal(signal.SIGUSR1)  # the server cannot be reached: by broadcast
            assert until(lambda: said('renew'), 'the client renews', patience=60)[1] == bound[1]
            stop(process)


def isc_relay(folder):
    return [need_program('dhcrelay'), '-4', '-d', '--no-pid', '-a', '-id', 'lower', '-iu', 'upper',
            '192.0.2.1']


def dnsmasq(folder):
    return [need_program('dnsmasq'), '--no-daemon', '--port=0', '--conf-file=/dev/null',
            '--pid-file=', '--dhcp-relay=10.0.0.1,192.0.2.1', '--interface=lower',
            '--dhcp-leasefile=' + os.path.join(folder, 'leases')]


CASES = (('udhcpc', udhcpc), ('dhclient', dhclient), ('dhcpcd', dhcpcd),
         ('systemd-networkd', networkd),
         ('classes, reservations and a shared network', policy),
         ('a client on a VLAN', vlan),
         ('behind the ISC relay', lambda: behind(isc_relay)),
         ('behind dnsmasq as a relay', lambda: behind(dnsmasq)))

wanted = [(name, case) for name, case in CASES if name in sys.argv[1:] or not sys.argv[1:]]
with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
    futures = [(name, pool.submit(case)) for name, case in wanted]
    run(*[(name, future.result) for name, future in futures])
