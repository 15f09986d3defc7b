"""Helper processes: one beside the workers, joined to each, replaced when it dies, and never two that
are active, whatever is reloaded or upgraded."""
import os
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import upgrade
from keel import Daemon, Refused, program, run, until

LISTEN = 'listen = { "127.0.0.1:0" }\nrespawn-budget = 0\n'


def teller(workers=2):
    return Daemon(program('teller'), conf=LISTEN, listen=None, workers=workers)


def number(address, timeout=20):
    with socket.create_connection(address, timeout=timeout) as s:
        s.sendall(b'?\n')
        text = b''
        while not text.endswith(b'\n'):
            part = s.recv(100)
            if not part:
                raise ConnectionError('closed')
            text += part
        return int(text)


def helper(daemon):
    rows = [row for row in daemon.ctl('workers')
            if row['role'] == 'counter' and row['state'] == 'active']
    return rows[0] if rows else None


def numbers():
    with teller() as daemon:
        address = daemon.address('tcp')
        told = [number(address) for _ in range(40)]
        assert told == list(range(1, 41)), told
        assert daemon.ctl('last') == 40
        assert len([row for row in daemon.ctl('workers') if row['role'] == 'worker']) == 2
        served = [row['accepted'] for row in daemon.ctl('workers') if row['role'] == 'worker']
        assert all(served), 'one worker had everything: %s' % served


def killed():
    with teller() as daemon:
        address = daemon.address('tcp')
        last = 0
        for _ in range(5):
            pid = helper(daemon)['pid']
            os.kill(pid, signal.SIGKILL)
            told = number(address)  # waits for the new one
            assert told > last, (told, last)
            last = told
            until(lambda: helper(daemon) and helper(daemon)['pid'] != pid, 'a new helper')
        worker = [row for row in daemon.ctl('workers') if row['role'] == 'worker'][0]['pid']
        os.kill(worker, signal.SIGKILL)
        until(lambda: worker not in daemon.children() and len(daemon.children()) == 3, 'a new worker')
        assert sorted(number(address) for _ in range(20)) == list(range(last + 1, last + 21))


def reloaded():
    """While clients ask all the time: every number once, none given by two helpers."""
    with teller() as daemon:
        address, told, stop, errors = daemon.address('tcp'), [], threading.Event(), []

        def client():
            while not stop.is_set():
                try:
                    n = number(address)
                    if n:  # else it had just retired
                        told.append(n)
                except OSError as error:
                    errors.append(repr(error))
        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(6):
            daemon.ctl('reload')
            until(lambda: len(daemon.children()) == 3, 'the old generation is gone')
        for _ in range(2):
            upgrade(daemon)
            until(lambda: len(daemon.children()) == 3, 'the old master is gone')
        stop.set()
        for thread in threads:
            thread.join()
        assert not errors, errors[:5]
        assert len(told) == len(set(told)) and len(told) > 20, len(told)
        assert 'another owner' not in daemon.log()


def handed_over():
    """A client that keeps an old worker, and so an old helper, alive keeps nobody waiting."""
    def step(change, gone):
        with socket.create_connection(address) as idle:
            idle.sendall(b'?\n')
            assert idle.recv(100)
            change()
            last = []
            until(lambda: last.append(number(address, 5)) or last[-1], 'a number of the new helper')
            assert not gone(), 'nobody held the old one'
            idle.sendall(b'?\n')
            assert idle.recv(100) == b'0\n'

    with teller(workers=1) as daemon:
        address = daemon.address('tcp')
        step(lambda: daemon.ctl('reload'), lambda: len(daemon.children()) == 2)
        until(lambda: len(daemon.children()) == 2, 'the old generation is gone')
        step(lambda: daemon.ctl('upgrade', patience=60), lambda: False)
        daemon.pid = daemon.status()['pid']
        assert 'another owner' not in daemon.log()


def late():
    """A reply that comes later than any command may take, while others are answered; or the helper
    goes first."""
    with teller(workers=1) as daemon:
        address = daemon.address('tcp')
        number(address)
        owed = daemon.ask('later', '6')
        assert number(address) == 2 and daemon.ctl('last') == 2
        assert owed() == 2
        owed = daemon.ask('later', '600')
        assert daemon.ctl('last') == 2
        daemon.ctl('reload')
        try:
            raise AssertionError('it was told %s' % owed())
        except Refused as error:
            assert 'stops' in str(error) or 'gone' in str(error), error


run(('numbers from one helper', numbers),
    ('a helper that dies is replaced and asked again', killed),
    ('reloads and upgrades: never two active', reloaded),
    ('an old generation that lingers has handed over', handed_over),
    ('a reply that comes later', late))
