"""Updates of dnsd's zones while its processes are killed, replaced and started anew, and while the disk
is full: what was acknowledged is there, and no zone is ever older than what was served."""
import contextlib
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import upgrade
from dns import add_address, ask_udp, framed, query, read_message, wire
from keel import Daemon, Refused, directory, need_root, output, run, until

SMALL = '$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n'
LARGE = SMALL + '$GENERATE 1-2000 host$ A 192.0.2.1\n'
CONF = '''respawn-budget = 0
drain-timeout = 5s
zone "small" { file = "small.zone" allow-update = { "any" } allow-transfer = { "any" } }
zone "large" { file = "large.zone" allow-update = { "any" } }
'''
SOA, A = 6, 1


def start(folder=None):
    return Daemon('dnsd', conf=CONF, workers=2, folder=folder,
                  files={} if folder else {'small.zone': SMALL, 'large.zone': LARGE})


class Client(threading.Thread):
    """Adds one name after another, over UDP or TCP, and remembers those that it was told of."""

    def __init__(self, zone, label, stream, patience):
        super().__init__()
        self.patience, self.reasons = patience, []
        self.zone, self.label, self.stream, self.address = zone, label, stream, None
        self.acknowledged, self.refused, self.silent = [], 0, 0
        self.stopping = threading.Event()

    def ask(self, message):
        if not self.stream:
            return ask_udp(self.address, message, patience=self.patience)
        with socket.create_connection(self.address, timeout=self.patience) as s:
            s.sendall(framed(message))
            return read_message(s)

    def run(self):
        n = 0
        while not self.stopping.is_set():
            n += 1
            name = '%s%d' % (self.label, n)
            try:
                answer = self.ask(add_address(self.zone, name, n & 0xffff))
            except (OSError, AssertionError) as error:
                self.reasons.append(repr(error))
                self.silent += 1
                time.sleep(0.005)
                continue
            if answer[3] & 15 == 0:
                self.acknowledged.append(name)
            else:
                self.reasons.append(answer[3] & 15)
                self.refused += 1
                time.sleep(0.005)


class Watcher(threading.Thread):
    """The serial number of a zone never goes back, but for the moment in which one worker has a new
    version and another one has not."""

    def __init__(self, zone):
        super().__init__()
        self.zone, self.seen, self.wrong, self.address = zone, 0, [], None
        self.recent = []
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                answer = ask_udp(self.address, query(self.zone, SOA), patience=0.5)
            except (OSError, TypeError):
                continue
            if answer[3] & 15 or answer[7] == 0:
                continue
            serial = soa_serial(answer, self.zone)
            now = time.monotonic()
            while self.recent and self.recent[0][0] < now - 2:
                self.seen = max(self.seen, self.recent.pop(0)[1])
            if serial < self.seen:
                self.wrong.append((self.seen, serial))
            self.recent.append((now, serial))


def soa_serial(answer, zone):
    """Behind the header, the question, the owner's pointer and ten bytes there are two names."""
    at = 12 + len(wire(zone)) + 4 + 12
    for _ in range(2):
        while answer[at] and answer[at] < 192:
            at += 1 + answer[at]
        at += 2 if answer[at] else 1
    return struct.unpack('>I', answer[at:at + 4])[0]


def has(daemon, zone, name):
    answer = ask_udp(daemon.address('udp'), query(name + '.' + zone, A))
    return answer[3] & 15 == 0 and answer[7] > 0


class Load:
    def __init__(self, daemon, patience=1.0):
        self.clients = [Client(zone, '%s%d-' % (zone[0], stream), stream, patience)
                        for zone in ('small', 'large') for stream in (False, True)]
        self.watchers = [Watcher(zone) for zone in ('small', 'large')]
        self.follow(daemon)
        for thread in self.clients + self.watchers:
            thread.start()

    def follow(self, daemon):
        for thread in self.clients + self.watchers:
            thread.address = daemon.address('udp')

    def finish(self, daemon):
        for thread in self.clients + self.watchers:
            thread.stopping.set()
        for thread in self.clients + self.watchers:
            thread.join()
        for watcher in self.watchers:
            assert not watcher.wrong, (watcher.zone, watcher.wrong[:5])
        lost = [name for client in self.clients for name in client.acknowledged
                if not has(daemon, client.zone, name)]
        told = sum(len(client.acknowledged) for client in self.clients)
        print('# %d updates acknowledged, %d refused, %d without an answer' % (
            told, sum(c.refused for c in self.clients), sum(c.silent for c in self.clients)))
        assert not lost, lost[:10]
        return told


def processes(daemon):
    try:
        return {row['role']: row['pid'] for row in daemon.ctl('workers')
                if row['state'] in ('serving', 'active')}
    except (Refused, OSError, EOFError):
        return {}


def settled(daemon):
    until(lambda: len(processes(daemon)) == 2 and len(daemon.children()) == 3, 'all processes')


def killed():
    """The keeper, or a worker, at random moments."""
    with start() as daemon:
        load = Load(daemon)
        for i in range(12):
            time.sleep(random.random() * 0.25)
            pid = processes(daemon).get('keeper' if i % 3 else 'worker')
            if pid:
                os.kill(pid, signal.SIGKILL)
            if i % 3 == 2:
                settled(daemon)
        settled(daemon)
        time.sleep(0.3)
        assert load.finish(daemon) > 20


def all_killed():
    """All at once, the master too; then a new daemon over the same state."""
    daemon = start()
    load = Load(daemon)
    for _ in range(4):
        time.sleep(0.2 + random.random() * 0.3)
        daemon.kill_master()
        daemon = start(daemon.folder)
        load.follow(daemon)
    time.sleep(0.3)
    with daemon:
        assert load.finish(daemon) > 20


def replaced():
    """Reloads and upgrades: every update is answered with yes, and none is lost."""
    with start() as daemon:
        load = Load(daemon, patience=10.0)
        for _ in range(4):
            time.sleep(0.1)
            daemon.ctl('reload')
            load.follow(daemon)
        for _ in range(2):
            time.sleep(0.1)
            upgrade(daemon)
            load.follow(daemon)
        until(lambda: len(daemon.children()) == 3, 'the old ones are gone')
        time.sleep(0.2)
        assert load.finish(daemon) > 20
        assert not any(c.reasons for c in load.clients), [(c.label, c.reasons) for c in load.clients]


def disk_full():
    """Nothing is promised that cannot be written, what was promised stands, and it goes on when there
    is room again; one line in the log each way."""
    with small_disk() as (folder, state):
        for name, text in (('small.zone', SMALL), ('large.zone', LARGE)):
            with open(os.path.join(folder, name), 'w', encoding='ascii') as f:
                f.write(text)
        with start(folder) as daemon:
            full_then_not(daemon, state)
        with start(folder) as daemon:
            for name in 'a', 'b', 'c':
                assert has(daemon, 'small', name), name
            assert not has(daemon, 'small', 'lost')


@contextlib.contextmanager
def small_disk():
    """(a folder, the state directory in it, on a small disk of its own)."""
    need_root()
    folder = directory()
    state = os.path.join(folder, 'state')
    os.mkdir(state)
    output(['mount', '-t', 'tmpfs', '-o', 'size=16m,mode=0755', 'keel-test', state])
    try:
        yield folder, state
    finally:
        output(['umount', '-l', state])


def fill(state):
    """Every byte of the disk; returns the path of what takes them."""
    path = os.path.join(state, 'ballast')
    with open(path, 'wb', buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            return path


def start_with_a_full_disk():
    """Zones are served from memory; they are kept, and watched, once there is room again."""
    text = '$TTL 60\n@ SOA ns h %d 2 3 9 5\n@ NS ns.other.\n'
    conf = 'respawn-budget = 0\nzone "z" { file = "z" watch = true }\nzone "u" { file = "u" allow-update = { "any" } }\n'

    def serial(zone):
        return daemon.ctl('zone-status', zone)['serial']
    with small_disk() as (folder, state):
        with Daemon('dnsd', conf=conf, files={'z': text % 1, 'u': text % 1}, folder=folder) as daemon:
            assert (serial('z'), serial('u')) == (1, 1)
        ballast = fill(state)
        with Daemon('dnsd', conf=conf, files={'z': text % 2, 'u': text % 2}, folder=folder) as daemon:
            assert (serial('z'), serial('u')) == (2, 2)
            assert 'they are in memory alone' in daemon.log(), daemon.log()
            assert ask_udp(daemon.address('udp'), add_address('u', 'a'))[3] & 15 == 2
            os.unlink(ballast)
            daemon.write('z', text % 3)
            until(lambda: serial('z') == 3, 'the file that has changed')
            daemon.ctl('zone-reload', 'u')
            assert ask_udp(daemon.address('udp'), add_address('u', 'a'))[3] & 15 == 0
            assert 'worker died' not in daemon.log(), daemon.log()


def full_then_not(daemon, state):
    def change(name):
        return ask_udp(daemon.address('udp'), add_address('small', name))[3] & 15
    assert change('a') == 0
    ballast = fill(state)
    until(lambda: change('lost') == 2, 'a refusal', pause=0.001)
    for _ in range(20):
        assert change('lost') == 2
    assert has(daemon, 'small', 'a') and not has(daemon, 'small', 'lost')
    alarms = [line for line in daemon.log().splitlines() if ' store: ' in line]
    assert len(alarms) == 1, alarms
    os.unlink(ballast)
    assert change('b') == 0
    assert change('c') == 0
    assert not has(daemon, 'small', 'lost')


run(('the keeper and workers are killed', killed),
    ('everything is killed', all_killed),
    ('reloads and upgrades', replaced),
    ('a full disk', disk_full),
    ('a start with a full disk', start_with_a_full_disk))
