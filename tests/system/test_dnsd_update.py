"""Dynamic update (RFC 2136): nsupdate and knsupdate change zones; what was answered is there, after
whatever dies."""
import os
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import add_address, ask_udp, dig, framed, query, read_message, tcp
from keel import Daemon, need_program, run, until

KEY = 'update.example.'
SECRET = 'YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY='
ZONE = '$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.80\n'
CONF = '''
key "%s" { algorithm = hmac-sha512 secret = "%s" }
zone "lan.example" {
  file = "lan.zone"
  allow-update = { "key:%s" }
  allow-transfer = { "127.0.0.0/8" }
}
zone "open.example" {
  file = "lan.zone"
  allow-update = { "127.0.0.0/8" }
}
zone "shut.example" { file = "lan.zone" }
''' % (KEY, SECRET, KEY)


def dnsd(**more):
    return Daemon('dnsd', conf=CONF, files={'lan.zone': ZONE}, **more)


def nsupdate(address, lines, *options, key=True, program_='nsupdate'):
    """(exit status, what it printed) of one run."""
    words = [need_program(program_), *options]
    if key:
        words += ['-y', 'hmac-sha512:%s:%s' % (KEY, SECRET)]
    text = 'server %s %d\n%s\nsend\nquit\n' % (address[0], address[1], lines)
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def change(address, lines, *options, zone='lan.example', **more):
    status, said = nsupdate(address, 'zone %s\n%s' % (zone, lines), *options, **more)
    assert status == 0, (lines, said)


def refused(address, lines, word, *options, zone='lan.example', **more):
    status, said = nsupdate(address, 'zone %s\n%s' % (zone, lines), *options, **more)
    assert status != 0 and word in said, (lines, status, said)


def answer(address, name, qtype='A'):
    [(status, _, sections)] = dig(address, ['%s %s' % (name, qtype)])
    return status, sorted(row.split()[-1] for row in sections.get('ANSWER', []))


def serial(address, zone='lan.example'):
    [(_, _, sections)] = dig(address, ['%s SOA' % zone])
    return int(sections['ANSWER'][0].split()[6])


def rules():
    """One change of each kind, over UDP and TCP, by both tools."""
    with dnsd(workers=2) as daemon:
        address = daemon.address('udp')
        for n, (tool, options) in enumerate((('nsupdate', ()), ('nsupdate', ('-v',)),
                                             ('knsupdate', ()), ('knsupdate', ('-v',)))):
            name = 'new%d.lan.example' % n
            before = serial(address)
            change(address, 'update add %s. 60 A 192.0.2.9' % name, *options, program_=tool)
            assert answer(address, name) == ('NOERROR', ['192.0.2.9'])
            assert serial(address) == before + 1
            change(address, 'prereq yxdomain %s.\nupdate add %s. 60 A 192.0.2.10' % (name, name),
                   *options, program_=tool)
            assert answer(address, name) == ('NOERROR', ['192.0.2.10', '192.0.2.9'])
            change(address, 'update delete %s. A 192.0.2.9' % name, *options, program_=tool)
            assert answer(address, name) == ('NOERROR', ['192.0.2.10'])
            change(address, 'update delete %s.' % name, *options, program_=tool)
            assert answer(address, name) == ('NXDOMAIN', [])
            refused(address, 'prereq yxdomain %s.\nupdate add %s. 60 A 192.0.2.9' % (name, name),
                    'NXDOMAIN', *options, program_=tool)
            refused(address, 'prereq nxrrset www.lan.example. A\nupdate add %s. 60 A 192.0.2.9'
                    % name, 'YXRRSET', *options, program_=tool)
            assert answer(address, name) == ('NXDOMAIN', [])
        before = serial(address)
        change(address, 'update add www.lan.example. 60 A 192.0.2.80')
        assert serial(address) == before, 'nothing changed, and it is newer'
        assert answer(address, 'www.lan.example') == ('NOERROR', ['192.0.2.80'])


def permissions():
    with dnsd() as daemon:
        address = daemon.address('udp')
        add = 'update add x.%s. 60 A 192.0.2.9'
        refused(address, add % 'lan.example', 'REFUSED', key=False)
        refused(address, add % 'shut.example', 'REFUSED', zone='shut.example')
        refused(address, add % 'not.example', 'NOTAUTH', zone='not.example')
        change(address, add % 'open.example', zone='open.example', key=False)
        assert answer(address, 'x.open.example') == ('NOERROR', ['192.0.2.9'])
        refused(address, 'update add www.other. 60 A 192.0.2.9', 'NOTZONE')
        assert daemon.metric('dnsd_denied_total', list='allow-update') == 2


def together():
    """Many at a time: each one that was told yes is there, and the serial counts them."""
    with dnsd(workers=2) as daemon:
        address, failures = daemon.address('udp'), []
        before = serial(address)

        def client(n):
            try:
                for i in range(5):
                    change(address, 'update add c%d-%d.lan.example. 60 A 192.0.2.%d' % (n, i, n),
                           *(('-v',) if n % 2 else ()))
            except AssertionError as error:
                failures.append(error)
        threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures[0]
        names = ['c%d-%d.lan.example A' % (n, i) for n in range(8) for i in range(5)]
        assert all(found[0] == 'NOERROR' for found in dig(address, names))
        assert serial(address) == before + 40


def durable():
    """Everything is killed right after a yes, many times; nothing of it is lost, and the zone never
    is older than what was served."""
    folder, have, last = None, [], 0
    for n in range(6):
        daemon = Daemon('dnsd', conf=CONF, files={'lan.zone': ZONE}, folder=folder)
        folder = daemon.folder
        address = daemon.address('udp')
        found = dig(address, ['%s A' % name for name in have]) if have else []
        assert all(row[0] == 'NOERROR' for row in found), (n, found)
        assert serial(address) >= last, (serial(address), last)
        for i in range(4):
            name = 'kept%d-%d.lan.example' % (n, i)
            change(address, 'update add %s. 60 A 192.0.2.9' % name)
            have.append(name)
        last = serial(address)
        for pid in daemon.processes():
            os.kill(pid, signal.SIGKILL)
        daemon.process.wait()
        until(lambda: not daemon.processes(), 'all are dead')
    with Daemon('dnsd', conf=CONF, files={'lan.zone': ZONE}, folder=folder) as daemon:
        address = daemon.address('udp')
        assert serial(address) >= last
        assert all(row[0] == 'NOERROR' for row in dig(address, ['%s A' % name for name in have]))


def replaced():
    """The keeper dies between updates: the next one carries on from the disk; a reload too."""
    with dnsd() as daemon:
        address = daemon.address('udp')
        for n in range(3):
            change(address, 'update add k%d.lan.example. 60 A 192.0.2.9' % n)
            rows = daemon.ctl('workers')
            pid = next(row['pid'] for row in rows if row['role'] == 'keeper')
            os.kill(pid, signal.SIGKILL)
            until(lambda: [row for row in daemon.ctl('workers') if row['role'] == 'keeper' and
                           row['pid'] != pid and row['state'] == 'active'], 'another keeper')
            change(address, 'update add after%d.lan.example. 60 A 192.0.2.9' % n)
            daemon.ctl('reload')
            change(address, 'update add reload%d.lan.example. 60 A 192.0.2.9' % n)
        names = ['%s%d.lan.example A' % (word, n) for word in ('k', 'after', 'reload')
                 for n in range(3)]
        assert all(found[0] == 'NOERROR' for found in dig(address, names))


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def held():
    """There is no keeper for a moment: updates, and what comes behind them, wait for the next."""
    with dnsd(workers=1) as daemon:
        address = daemon.address('udp')
        for n in range(4):  # the later ones are away for 100 ms and more
            pid = next(row['pid'] for row in daemon.ctl('workers') if row['role'] == 'keeper')
            os.kill(pid, signal.SIGKILL)
            until(lambda p=pid: not exists(p), 'its end', pause=0.001)
            if n % 2:
                with tcp(daemon.address('tcp')) as s:
                    s.sendall(framed(add_address('open.example', 'held%d' % n, 1),
                                     query('held%d.open.example' % n, 1, 2)))
                    replies = [read_message(s), read_message(s)]
                assert [(r[:2], r[3] & 15) for r in replies] == [(b'\0\1', 0), (b'\0\2', 0)], replies
            else:
                reply = ask_udp(address, add_address('open.example', 'held%d' % n))
                assert reply[3] & 15 == 0, reply
            until(lambda p=pid: [row for row in daemon.ctl('workers') if row['role'] == 'keeper' and
                                 row['pid'] != p and row['state'] == 'active'], 'another keeper')
        names = ['held%d.open.example A' % n for n in range(4)]
        assert all(found[0] == 'NOERROR' for found in dig(address, names))
        assert daemon.metric('dnsd_answers_total', rcode='SERVFAIL') == 0


def signed():
    """What was signed elsewhere is not changed here."""
    text = ZONE + '@ NSEC ns SOA NS NSEC\nns NSEC www A NSEC\nwww NSEC @ A NSEC\n'
    with Daemon('dnsd', conf=CONF, files={'lan.zone': text}) as daemon:
        address = daemon.address('udp')
        refused(address, 'update add x.lan.example. 60 A 192.0.2.9', 'REFUSED')
        until(lambda: 'nobody here could sign' in daemon.log(), 'the reason is told')
        assert ask_udp(address, query('x.lan.example', 1))[3] & 15 == 3


run(('each rule', rules),
    ('who may', permissions),
    ('many at a time', together),
    ('what was answered is there', durable),
    ('the keeper is replaced', replaced),
    ('updates wait for a keeper', held),
    ('a signed zone', signed))
