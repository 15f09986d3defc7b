"""dhcpd's leases as an operator meets them: listed, filtered, in pages, added and deleted by hand, kept
as reservations; how full the pools are; and a start with many leases."""
import csv
import io
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import SRCDIR, Daemon, Refused, directory, program, run, until  # noqa: E402
sys.path.insert(0, os.path.join(SRCDIR, 'tests', 'support'))
from dhcp_client import ACK, Client  # noqa: E402

CONF = '''
lease-time = 1h
pool-warning = { 50, 90 }
subnet "127.0.0.0/8" { pool "127.64.0.1-127.64.63.254" { } }
subnet "10.0.0.0/8"  { pool "10.1.0.1-10.1.0.10" { } }
'''


def dhcpd(conf=CONF, **options):
    return Daemon('dhcpd', conf=conf, **options)


def client(daemon, number, link=None):
    return Client(daemon.address('udp'), '02:00:00:00:%02x:%02x' % (number >> 8, number & 255), link,
                  patience=20)


def keelctl(daemon, *args):
    return subprocess.run([program('keelctl'), '--socket', daemon.socket, 'dhcpd', *args],
                          capture_output=True, text=True, timeout=60, check=False)


def refused(daemon, *args):
    try:
        daemon.ctl(*args)
    except Refused as why:
        return str(why)
    raise AssertionError('%s was not refused' % (args,))


def by_hand():
    with dhcpd() as daemon:
        daemon.ctl('lease-add', '10.1.0.7', 'hardware=02:00:00:00:00:07', 'hostname=printer',
                   'time=2h')
        row, = daemon.ctl('leases')
        assert row['state'] == 'active' and row['hostname'] == 'printer', row
        assert row['expires'] - row['granted'] == 7200, row
        text = daemon.ctl('lease-to-reservation', '10.1.0.7')['text']
        assert 'reservation "printer"' in text and 'hardware = "02:00:00:00:00:07"' in text, text
        # it is the client's own, and nobody else's
        address, options = client(daemon, 7, link='10.0.0.1').lease()
        assert address == '10.1.0.7' and options[53] == bytes([ACK]), address
        daemon.ctl('lease-add', '10.1.0.8', 'client=01:02:03')
        assert 'another client' in refused(daemon, 'lease-add', '10.1.0.7', 'hardware=020000000009')
        assert '10.1.0.7' in refused(daemon, 'lease-add', '10.1.0.9', 'hardware=02:00:00:00:00:07')
        assert 'no subnet' in refused(daemon, 'lease-add', '8.8.8.8', 'hardware=02:00:00:00:00:09')
        for args in (('10.1.0.9',), ('here', 'client=00'), ('10.1.0.9', 'client=x'),
                     ('10.1.0.9', 'client=00', 'time=0s'), ('10.1.0.9', 'client=00', 'x')):
            refused(daemon, 'lease-add', *args)
        assert 'client-id = "01:02:03"' in daemon.ctl('lease-to-reservation', '10.1.0.8')['text']
        refused(daemon, 'lease-to-reservation', '10.1.0.9')
        daemon.ctl('lease-delete', '10.1.0.7')
        assert 'nothing is known' in refused(daemon, 'lease-delete', '10.1.0.7')
        assert [r['address'] for r in daemon.ctl('leases')] == ['10.1.0.8']
        # what was pasted is a configuration
        daemon.write(daemon.conf_path, CONF.replace('{ pool "10.1', '{ %s pool "10.1' % text))
        daemon.ctl('reload')
        folder = daemon.folder
        daemon.kill_master()
    with dhcpd(folder=folder) as daemon:  # a change by hand is durable
        assert [r['address'] for r in daemon.ctl('leases')] == ['10.1.0.8']


def pages():
    """Many leases, a page at a time, with filters, as a table, as JSON and as CSV."""
    folder = directory()
    os.makedirs(os.path.join(folder, 'state'))
    with dhcpd(folder=folder) as daemon:
        for n in range(1, 1201):
            daemon.ctl('lease-add', '127.64.%d.%d' % (n >> 8, n & 255),
                       'hardware=02:00:00:00:%02x:%02x' % (n >> 8, n & 255),
                       'hostname=%s%d' % ('even' if n % 2 == 0 else 'odd,"', n),
                       'time=%s' % ('10m' if n <= 30 else '2h'))
        first = daemon.ask('leases')()
        assert len(first['rows']) <= 1000 and first['next'], first.get('next')
        rows = daemon.ctl('leases')
        assert len(rows) == 1200 and len({r['address'] for r in rows}) == 1200
        assert len(daemon.ctl('leases', '127.64.1.0', 10)) == 10
        assert len(daemon.ctl('leases', 'count=1100')) == 1100
        for words, many in ((('hostname=even*',), 600), (('subnet=127.64.1.0/24',), 256),
                            (('expires-before=1h',), 30), (('state=expired',), 0),
                            (('hardware=02:00:00:00:00:05', 'state=active'), 1),
                            (('address=127.64.0.9',), 1), (('hostname=even4',), 1)):
            assert len(daemon.ctl('leases', *words)) == many, words
        for words in (('state=x',), ('colour=red',), ('10.0.0.0', '0'), ('format=xml',),
                      ('from=x',), ('10.0.0.0', '1', '2')):
            refused(daemon, 'leases', *words)
        table = keelctl(daemon, 'leases')
        assert table.returncode == 0 and table.stdout.count('127.64.') == 1200, table.stderr
        assert len(re.findall(r'  20\d\d-\d\d-\d\dT[\d:]{8}Z  20\d\d-', table.stdout)) == 1200, table.stdout[:500]
        text = keelctl(daemon, 'leases', 'format=csv').stdout
        parsed = list(csv.DictReader(io.StringIO(text)))
        assert len(parsed) == 1200 and text.count('address,') == 1, len(parsed)
        assert parsed[0]['hostname'] == 'odd,\\"1' and parsed[1]['hostname'] == 'even2', parsed[0]
        assert keelctl(daemon, 'leases', 'state=declined').stdout == 'none\n'
        one = keelctl(daemon, 'leases', 'hostname=even1200').stdout
        assert one.count('\n') == 2 and 'none' not in one, one
        # no turn of the loop was long
        worst = daemon.ctl('lag')[0]['result']['worst_turn_ms']
        assert worst < 1000, worst


def pools():
    with dhcpd() as daemon:
        for n in range(1, 11):
            client(daemon, n, link='10.0.0.1').lease()
        rows = {p['subnet']: p for p in daemon.ctl('pools')}
        lan = rows['10.0.0.0/8']
        assert lan['percent'] == 100 and lan['bound'] == 10 and lan['free'] == 0, lan
        assert lan['acks'] == 10 and lan['offers'] == 10 and rows['127.0.0.0/8']['acks'] == 0, rows
        subnets = {p['subnet']: p for p in daemon.ctl('subnets')}
        assert subnets['10.0.0.0/8']['discovers'] == 10, subnets
        until(lambda: 'a pool gets full' in daemon.log(), 'the warning')
        until(lambda: 'threshold=90' in daemon.log(), 'the last threshold')
        assert daemon.log().count('a pool gets full') <= 2, daemon.log()
        for n in range(1, 9):
            daemon.ctl('lease-delete', '10.1.0.%d' % n)
        until(lambda: 'a pool has room again' in daemon.log(), 'the all-clear')


KEA = '''address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
10.1.0.1,02:00:00:00:00:01,,3600,{soon},1,0,0,old,0,
10.1.0.1,02:00:00:00:00:01,,3600,{later},1,0,0,box,0,
10.1.0.2,02:00:00:00:00:02,01:02,3600,{later},1,0,0,,0,
10.1.0.3,02:00:00:00:00:01,,3600,{later},1,0,0,,0,
10.1.0.4,02:00:00:00:00:04,,3600,100,1,0,0,,2,
10.1.0.5,02:00:00:00:00:05,,3600,{later},1,0,0,,0,
10.1.0.5,02:00:00:00:00:05,,0,{later},1,0,0,,0,
8.8.8.8,02:00:00:00:00:06,,3600,{later},1,0,0,,0,
nonsense
'''


LISTENING = 'listen = { "127.0.0.1:0" }' + CONF


def imported(folder, what, *more):
    return subprocess.run([program('dhcpd'), '-c', os.path.join(folder, 'dhcpd.conf'),
                           '--state-dir', os.path.join(folder, 'state'), '--import-leases', what,
                           *more], capture_output=True, text=True, timeout=60, check=False)


def import_from_another_server():
    folder = directory()
    now = int(time.time())
    path = os.path.join(folder, 'kea.csv')
    os.makedirs(os.path.join(folder, 'state'))
    with open(path, 'w') as f:
        f.write(KEA.format(soon=now + 60, later=now + 3000))
    with open(os.path.join(folder, 'dhcpd.conf'), 'w') as f:
        f.write(LISTENING)
    tried = imported(folder, 'kea:' + path, '--check')
    assert tried.returncode == 0 and '2 active leases' in tried.stdout, tried
    done = imported(folder, 'kea:' + path)
    assert done.returncode == 0 and '2 active leases and 1 past' in done.stdout, done
    for words in ('kea.csv:5: 10.1.0.3: its client has a lease of 10.1.0.1 already',
                  'kea.csv:9: 8.8.8.8 is in no subnet', 'kea.csv:10: '):
        assert words in done.stderr, done.stderr
    with dhcpd(LISTENING, folder=folder, listen=()) as daemon:
        rows = {r['address']: r for r in daemon.ctl('leases')}
        assert sorted(rows) == ['10.1.0.1', '10.1.0.2', '10.1.0.4'], rows
        assert rows['10.1.0.1']['hostname'] == 'box' and rows['10.1.0.4']['state'] == 'expired', rows
        assert rows['10.1.0.1']['expires'] == now + 3000, rows
        # each client finds its own, also the one whose lease is over
        for n, address in ((1, '10.1.0.1'), (4, '10.1.0.4')):
            assert client(daemon, n, link='10.0.0.1').lease()[0] == address
        again = imported(folder, 'kea:' + path)
        assert again.returncode == 1 and 'stop it first' in again.stderr, again
        text = keelctl(daemon, 'leases', 'format=csv').stdout
    # once more takes nothing back, and what was exported comes in too
    assert imported(folder, 'kea:' + path).returncode == 0
    other = directory()
    os.makedirs(os.path.join(other, 'state'))
    with open(os.path.join(other, 'dhcpd.conf'), 'w') as f:
        f.write(LISTENING)
    with open(os.path.join(other, 'export.csv'), 'w') as f:
        f.write(text)
    assert imported(other, 'csv:' + f.name).returncode == 0
    with dhcpd(LISTENING, folder=other, listen=()) as daemon:
        assert len(daemon.ctl('leases')) == 3
    for args in (('kea:/nowhere',), ('kea',), ('windows:' + path,), ('isc:' + path, '--balance=2')):
        answer = imported(folder, *args)
        assert answer.returncode in (1, 2) and 'dhcpd: ' in answer.stderr, answer


run(('leases added, deleted and kept by hand', by_hand),
    ('many leases in pages', pages),
    ('how full the pools are', pools),
    ('leases of another server', import_from_another_server))
