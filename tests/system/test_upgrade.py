"""Binary upgrade: nothing is lost under load, and a new binary that is no good leaves the old one
serving."""
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import holdings, nothing_lost, settled, upgrade, whole
from keel import BUILDDIR, Daemon, Load, Refused, directory, program, run, tap, until

UPGRADES = 4


def private_echod(workers=2):
    """A daemon whose binary the test may replace."""
    wrapper = program('echod')
    real = os.path.join(os.path.dirname(wrapper), '.libs', 'echod')
    path = os.path.join(directory(), 'echod')
    shutil.copy(real if os.path.exists(real) else wrapper, path)
    return Daemon(path, conf='listen = { "127.0.0.1:0" }\n', listen=None, workers=workers,
                  env={'LD_LIBRARY_PATH': os.path.join(BUILDDIR, 'common', '.libs')})


def under_load():
    with private_echod() as daemon:
        address = daemon.address('tcp')
        upgrade(daemon)
        whole(daemon, 2)
        before = settled(daemon)
        load = Load(address, 'echo', 16)
        for _ in range(UPGRADES):
            upgrade(daemon)
        counts = load.finish()
        assert daemon.address('tcp') == address
        nothing_lost(counts)
        whole(daemon, 2)
        until(lambda: holdings(daemon) == before, 'what it held before: %s, now %s'
              % (before, holdings(daemon)), patience=10)


def by_signal():
    with private_echod() as daemon:
        old = daemon.pid
        daemon.kill(signal.SIGUSR2)
        until(lambda: old not in daemon.processes(), 'the old master is gone')
        daemon.pid = daemon.ready()['pid']
        assert daemon.pid != old
        whole(daemon, 2)


def refused(replacement):
    """The binary is replaced by something that does not serve."""
    with private_echod() as daemon:
        address, old = daemon.address('tcp'), daemon.pid
        os.rename(daemon.binary, daemon.binary + '.good')
        replacement(daemon.binary)
        load = Load(address, 'echo', 4)
        time.sleep(0.2)  # under load, and not before it
        try:
            daemon.ctl('upgrade', patience=90)
        except Refused as error:
            tap.note(error)
        else:
            raise AssertionError('the upgrade to a broken binary was called a success')
        counts = load.finish()
        assert daemon.status()['pid'] == old
        nothing_lost(counts)
        whole(daemon, 2)


def script(text):
    def write(path):
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        os.chmod(path, 0o755)
    return write


run(('%d upgrades under load lose nothing' % UPGRADES, under_load),
    ('SIGUSR2 upgrades', by_signal),
    ('a new binary that ends at once', lambda: refused(script('#!/bin/sh\nexit 1\n'))),
    ('a new binary that is no program', lambda: refused(script('nonsense\n'))),
    ('a new binary that is not there', lambda: refused(lambda path: None)))
