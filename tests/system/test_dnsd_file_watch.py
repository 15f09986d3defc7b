"""Option watch of dnsd's zones: a file that was written or replaced is read again by itself."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import dig
from keel import Daemon, run, until

ZONE = '$TTL 60\n@ SOA ns h %d 2 3 9 5\n@ NS ns.other.\n%s'
CONF = '''respawn-budget = 0
zone "a" { file = "zones/a.zone" watch = true }
zone "b" { file = "zones/b.zone" watch = true }
zone "c" { file = "zones/c.zone" }
'''


def dnsd():
    files = {'zones/%s.zone' % z: ZONE % (1, '') for z in 'ac'}
    files['zones/b.zone'] = ZONE % (1, '$INCLUDE b.more\n')
    files['zones/b.more'] = 'x A 192.0.2.1\n'
    return Daemon('dnsd', conf=CONF, files=files, workers=2)


def serial(daemon, zone):
    records = dig(daemon.address('udp'), ['%s. SOA' % zone])[0][2].get('ANSWER')
    return int(records[0].split()[6]) if records else None


def written():
    with dnsd() as daemon:
        assert [serial(daemon, z) for z in 'abc'] == [1, 1, 1]
        daemon.write('zones/c.zone', ZONE % (2, ''))
        daemon.write('zones/a.zone', ZONE % (2, ''))
        until(lambda: serial(daemon, 'a') == 2, 'the file that was written')
        # replaced, as an editor does
        daemon.write('zones/new', ZONE % (3, 'y A 192.0.2.1\n'))
        os.rename(os.path.join(daemon.folder, 'zones/new'),
                  os.path.join(daemon.folder, 'zones/a.zone'))
        until(lambda: serial(daemon, 'a') == 3, 'the file that was replaced')
        # a broken one is told, and nothing changes; then it is mended
        daemon.write('zones/a.zone', ZONE % (4, 'y A nonsense\n'))
        until(lambda: 'a.zone:4: A: ' in daemon.log(), 'a word about the broken file')
        assert serial(daemon, 'a') == 3
        daemon.write('zones/a.zone', ZONE % (5, ''))
        until(lambda: serial(daemon, 'a') == 5, 'the file that was mended')
        assert [serial(daemon, z) for z in 'bc'] == [1, 1]
        assert daemon.log().count('its file has changed and was read') == 3, daemon.log()


def included():
    with dnsd() as daemon:
        daemon.write('zones/b.more', 'x A 192.0.2.2\n')

        def address():
            return '192.0.2.2' in str(dig(daemon.address('udp'), ['x.b. A'])[0][2])
        until(address, 'what the zone includes')


def included_elsewhere():
    """What is included may lie anywhere, also when it is included only since the last change."""
    with dnsd() as daemon:
        def has(name):
            return '192.0.2.7' in str(dig(daemon.address('udp'), ['%s.a. A' % name])[0][2])
        for n, folder in enumerate(('one', 'two')):
            daemon.write(folder + '/more', 'old A 192.0.2.1\n')
            daemon.write('zones/a.zone', ZONE % (2 + n, '$INCLUDE ../%s/more\n' % folder))
            until(lambda s=2 + n: serial(daemon, 'a') == s, 'the file that includes it')
            daemon.write(folder + '/more', '%s A 192.0.2.7\n' % folder)
            until(lambda f=folder: has(f), 'what is included from ' + folder)
        daemon.ctl('reload')
        daemon.write('two/more', 'three A 192.0.2.7\n')
        until(lambda: has('three'), 'what is included, after a reload')


def handed_over():
    """After a reload and after the keeper was killed, its successor watches."""
    with dnsd() as daemon:
        daemon.ctl('reload')
        daemon.write('zones/a.zone', ZONE % (2, ''))
        until(lambda: serial(daemon, 'a') == 2, 'the file, after a reload')
        keeper = [row for row in daemon.ctl('workers') if row['role'] == 'keeper'][-1]['pid']
        os.kill(keeper, 9)
        daemon.write('zones/a.zone', ZONE % (3, ''))
        until(lambda: serial(daemon, 'a') == 3, 'the file, after the keeper died')


run(('a file that is written, replaced, broken and mended', written),
    ('a file that is included', included),
    ('a file that is included from another folder', included_elsewhere),
    ('the next keeper watches', handed_over))
