"""The zone keeper of dnsd: zones that come, go and change at run time, one copy of them for all workers,
and what is left when any of the processes is killed."""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import add_address, ask_udp, dig, query
from keel import Daemon, Refused, need_no_sanitizer, need_program, output, run, until

ZONE = '$TTL 60\n@ SOA ns h %d 2 3 4 5\n@ NS ns\nns A 192.0.2.%d\n'
SOA = 6


def dnsd(zones=('z',), workers=2, conf='', **more):
    """dnsd with a small zone in a file for each name."""
    text = ''.join('zone "%s" { file = "%s.zone" }\n' % (z, z) for z in zones)
    files = {'%s.zone' % z: ZONE % (1, 1) for z in zones}
    return Daemon('dnsd', conf='respawn-budget = 0\n' + conf + text, files=files, workers=workers,
                  **more)


def again(daemon):
    """The same daemon, started once more with the state that the last one left."""
    with open(daemon.conf_path) as f:
        return Daemon('dnsd', conf=f.read(), workers=2, folder=daemon.folder)


def keeper(daemon):
    return [row for row in daemon.ctl('workers') if row['role'] == 'keeper'][-1]['pid']


def rcode(daemon, name):
    return ask_udp(daemon.address('udp'), query(name, SOA))[3] & 15


def refused(daemon, *words):
    try:
        daemon.ctl(*words)
    except Refused as error:
        return str(error)
    raise AssertionError('%s was taken' % (words,))


def one_zone():
    """zone-reload of one zone, good and bad, and of all."""
    with dnsd(('a', 'b')) as daemon:
        daemon.write('a.zone', ZONE % (2, 2))
        daemon.write('b.zone', ZONE % (2, 2))
        row = daemon.ctl('zone-reload', 'A.')
        assert row['serial'] == 2 and row['name'] == 'a.', row
        assert [z['serial'] for z in daemon.ctl('zones')] == [2, 1]
        daemon.write('a.zone', ZONE % (3, 2) + 'x A y\n')
        assert 'a.zone:5: A: "y" is not an IPv4 address' in refused(daemon, 'zone-reload', 'a')
        status = daemon.ctl('zone-status', 'a')
        assert status['serial'] == 2 and 'a.zone:5' in status['error'], status
        assert 'no zone "c"' in refused(daemon, 'zone-reload', 'c')
        done = daemon.ctl('zone-reload', 'all')
        assert (done['reloaded'], done['failed']) == (1, 1), done
        assert 'a.zone:5' in done['errors'][0]['error'], done
        assert [z['serial'] for z in daemon.ctl('zones')] == [2, 2]
        daemon.write('a.zone', ZONE % (1, 2))
        daemon.ctl('zone-reload', 'a')
        assert 'its serial number has gone back' in daemon.log()
        assert 'error' not in daemon.ctl('zone-status', 'a')


def added():
    """zone-add and zone-remove: at all workers at once, and after a reload, a kill and a restart."""
    def everywhere(daemon, code):
        return all(rcode(daemon, 'new') == code for _ in range(20))
    with dnsd() as daemon:
        path = daemon.write('new.zone', ZONE % (7, 7))
        assert everywhere(daemon, 5)
        row = daemon.ctl('zone-add', 'new', 'file = "%s"' % path)
        assert row['serial'] == 7, row
        assert everywhere(daemon, 0)
        for text, said in (('file = "/no/such/file"', 'cannot open'), ('colour = 1', 'colour'),
                           ('file = "%s" } zone "y" { file = "%s"' % (path, path), 'one zone')):
            assert said in refused(daemon, 'zone-add', 'other', text), text
        assert rcode(daemon, 'other') == 5
        assert 'already' in refused(daemon, 'zone-add', 'New.', 'file = "%s"' % path)
        assert 'configuration file' in refused(daemon, 'zone-remove', 'z')
        kill_all_but_the_master(daemon)
        assert everywhere(daemon, 0)
        daemon.ctl('reload')
        assert everywhere(daemon, 0)
    with again(daemon) as daemon:
        assert everywhere(daemon, 0)
        assert [z['name'] for z in daemon.ctl('zones')] == ['z.', 'new.']
        daemon.ctl('zone-remove', 'new')
        assert everywhere(daemon, 5)
        kill_all_but_the_master(daemon)
        assert everywhere(daemon, 5)
    with again(daemon) as daemon:
        assert everywhere(daemon, 5)
        assert [z['name'] for z in daemon.ctl('zones')] == ['z.']


def kill_all_but_the_master(daemon):
    old = daemon.children()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(daemon.ctl('workers')) == 3 and not set(old) & set(daemon.children())
          and all(row['state'] in ('serving', 'active') for row in daemon.ctl('workers')),
          'new processes')


def flushed():
    """zone-dump and zone-flush; a file with updates beside it is not read before they are in it."""
    conf = 'zone "u" { file = "u.zone" allow-update = { "any" } }\n'
    files = {'z.zone': ZONE % (1, 1), 'u.zone': ZONE % (1, 1)}
    with Daemon('dnsd', conf=conf + 'zone "z" { file = "z.zone" }\n', files=files) as daemon:
        dump = daemon.ctl('zone-dump', 'z')
        assert dump['serial'] == 1 and dump['file'].endswith('/state/z.zone'), dump
        assert 'no updates' in refused(daemon, 'zone-flush', 'z')
        assert daemon.ctl('zone-flush', 'u')['flushed'] == 0
        for name in 'ab':
            assert ask_udp(daemon.address('udp'), add_address('u', name))[3] & 15 == 0
        assert 'zone-flush' in refused(daemon, 'zone-reload', 'u')
        dump = daemon.ctl('zone-dump', 'u', 'copy')
        assert dump['serial'] == 3, dump
        with open(dump['file'], encoding='ascii') as f:
            assert '192.0.2.77' in f.read()
        assert daemon.ctl('zone-flush', 'all')['flushed'] == 1
        with open(os.path.join(daemon.folder, 'u.zone'), encoding='ascii') as f:
            text = f.read()
        assert text.count('192.0.2.77') == 2, text
        assert daemon.ctl('zone-reload', 'u')['serial'] == 3
        daemon.write('u.zone', ZONE % (9, 9))
        assert daemon.ctl('zone-reload', 'u')['serial'] == 9
        assert ask_udp(daemon.address('udp'), add_address('u', 'c'))[3] & 15 == 0
        daemon.write('u.zone', ZONE % (20, 9))
        daemon.ctl('reload')
        assert soa(daemon, 'u') == 10
        assert 'the file is not read' in daemon.log()


def images(daemon):
    folder = os.path.join(daemon.folder, 'state', 'zones')
    return sorted(name for name in os.listdir(folder) if name.endswith('.img'))


def soa(daemon, zone):
    """The serial number that is served; None: there is no answer."""
    answer = dig(daemon.address('udp'), ['%s. SOA' % zone])[0]
    records = answer[2].get('ANSWER')
    return int(records[0].split()[6]) if answer[0] == 'NOERROR' and records else None


def error_of(daemon, zone):
    try:
        return daemon.ctl('zone-status', zone).get('error', '')
    except Refused:  # there is no keeper just now
        return ''


def kept():
    """A restart takes what is in the state directory as long as files have not changed; a broken file
    at the start is no reason to serve nothing, and one in a reload changes nothing."""
    with dnsd(('a', 'b')) as daemon:
        before = images(daemon)
        assert len(before) == 1 and before[0].startswith('pack.'), before
    time.sleep(0.1)  # a file that has just been written might change within its time stamp
    for name in 'ab':
        os.utime(os.path.join(daemon.folder, name + '.zone'), ns=(10 ** 18, 10 ** 18))
    with again(daemon) as daemon:
        assert [soa(daemon, z) for z in 'ab'] == [1, 1]
        before = images(daemon)
    with again(daemon) as daemon:
        assert [soa(daemon, z) for z in 'ab'] == [1, 1]
        daemon.write('a.zone', ZONE % (2, 2))
        daemon.ctl('reload')
        assert [soa(daemon, z) for z in 'ab'] == [2, 1]
        daemon.write('a.zone', ZONE % (3, 2) + 'x A y\n')
        assert 'a.zone:5: A: "y"' in refused(daemon, 'reload')
        assert [soa(daemon, z) for z in 'ab'] == [2, 1]
        os.kill(keeper(daemon), signal.SIGKILL)
        until(lambda: 'a.zone:5' in error_of(daemon, 'a'), 'a new keeper that says what is wrong')
        assert [soa(daemon, z) for z in 'ab'] == [2, 1]
    with again(daemon) as daemon:
        assert [soa(daemon, z) for z in 'ab'] == [2, 1]
        assert 'the last version is served' in daemon.log()
        assert 'a.zone:5' in daemon.ctl('zone-status', 'a')['error']


def torn():
    """Image files that are cut, or have other bytes, are made anew."""
    with dnsd(('a', 'b')) as daemon:
        pass
    for wrong in (lambda data: data[:len(data) // 2], lambda data: data[:-200] + bytes(200),
                  lambda data: b''):
        path = os.path.join(daemon.folder, 'state', 'zones', images(daemon)[0])
        with open(path, 'rb') as f:
            data = f.read()
        with open(path, 'wb') as f:
            f.write(wrong(data))
        with again(daemon) as daemon:
            assert [soa(daemon, z) for z in 'ab'] == [1, 1]


def differences():
    """A file that was read again, by zone-reload or in a new generation, is a difference (IXFR)."""
    conf = 'zone "z" { file = "z.zone" allow-transfer = { "any" } }\n'
    with Daemon('dnsd', conf=conf, files={'z.zone': ZONE % (1, 1)}) as daemon:
        daemon.write('z.zone', ZONE % (2, 2))
        daemon.ctl('reload')
        daemon.write('z.zone', ZONE % (3, 3))
        daemon.ctl('zone-reload', 'z')
        host, port = daemon.address('tcp')
        text = output([need_program('dig'), '@' + host, '-p', str(port), '+tcp', '+noall',
                       '+answer', '+nocookie', 'z.', 'IXFR=1'])
        addresses = [line.split()[4] for line in text.splitlines() if line.split()[3] == 'A']
        assert addresses == ['192.0.2.1', '192.0.2.2', '192.0.2.2', '192.0.2.3'], text


def memory(pid):
    """(bytes of its own, bytes that it shares with others)"""
    with open('/proc/%d/smaps_rollup' % pid, encoding='ascii') as f:
        rows = dict(re.findall(r'(\w+):\s+(\d+) kB', f.read()))
    return int(rows['Anonymous']) * 1024, (int(rows['Rss']) - int(rows['Anonymous'])) * 1024


def one_copy():
    """A zone is there once, however many workers serve it."""
    need_no_sanitizer()
    hosts = 60000
    text = ZONE % (1, 1) + '$GENERATE 1-%d host$ A 192.0.2.1\n' % hosts
    with Daemon('dnsd', conf='zone "big" { file = "big.zone" }\n', files={'big.zone': text},
                workers=4) as daemon:
        size = daemon.ctl('zones')[0]['bytes']
        address = daemon.address('udp')
        for i in range(0, hosts, 500):
            assert ask_udp(address, query('host%d.big' % (i + 1), 1))[7] == 1
        for row in daemon.ctl('workers'):
            own, _ = memory(row['pid'])
            assert own < size, (row['role'], own, size)


def many():
    """Thousands of zones: the start, commands, and zones that come and go among them."""
    count = 3000
    conf = ''.join('zone "z%d" { file = "z.zone" }\n' % i for i in range(count))
    with Daemon('dnsd', conf=conf, files={'z.zone': ZONE % (1, 1)}, workers=2) as daemon:
        assert daemon.ctl('zone-status')['served'] == count
        first = daemon.ctl('zones')
        assert len(first) == 1000 and first[0]['name'] == 'z0.', len(first)
        rest = [z['name'] for at in (1000, 2000) for z in daemon.ctl('zones', '*', at)]
        assert len(set(rest)) == 2000 and rest[-1] == 'z%d.' % (count - 1), len(rest)
        assert len(daemon.ctl('zones', 'z29??.')) == 100
        assert len(images(daemon)) == 1, images(daemon)
        path = os.path.join(daemon.folder, 'z.zone')
        for i in range(100):
            assert daemon.ctl('zone-add', 'n%d' % i, 'file = "%s"' % path)['serial'] == 1
        for i in range(100):
            assert rcode(daemon, 'n%d' % i) == 0 and rcode(daemon, 'z%d' % (i * 29)) == 0
        for i in range(100):
            daemon.ctl('zone-remove', 'n%d' % i)
            assert rcode(daemon, 'n%d' % i) == 5
        assert daemon.ctl('zone-status')['zones'] == count
        with open('/proc/%d/maps' % daemon.children()[0], encoding='ascii') as f:
            assert len([line for line in f if '/zones/' in line or 'memfd:keel' in line]) < 60
        daemon.ctl('reload')
        assert daemon.ctl('zone-status')['served'] == count


run(('zone-reload', one_zone),
    ('zone-add and zone-remove', added),
    ('zone-dump and zone-flush', flushed),
    ('what is kept over a restart', kept),
    ('torn image files', torn),
    ('differences of files', differences),
    ('one copy for all workers', one_copy),
    ('thousands of zones', many))
