"""keeld: doc/examples/echod.c as a module does all that it does as a program, and what does not fit
is refused with a sentence that says why."""
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import upgrade, whole, worker_pids
from keel import BUILDDIR, Daemon, Skip, directory, program, run, spawn, until


def built(name):
    """A shared object of this tree, in a directory that only we can write."""
    place, base = os.path.split(name)
    found = glob.glob(os.path.join(BUILDDIR, place, '.libs', base + '.so'))
    if not found:
        raise Skip('%s.so is not built' % name)
    path = os.path.join(directory(), base + '.so')
    shutil.copyfile(found[0], path)
    os.chmod(path, 0o644)
    return path


def keeld(module, text='', **options):
    return Daemon(program('common/keeld/keeld'), first=[module], workers=2, listen=None,
                  conf='listen = { "127.0.0.1:0" }\n' + text, **options)


def say(*args):
    """Exit status, stdout and stderr of a keeld that ends by itself."""
    process = spawn([program('common/keeld/keeld')] + list(args), stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def echoes(daemon, expected):
    with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
        s.sendall(b'hello')
        received = b''
        while len(received) < len(expected):
            part = s.recv(100)
            assert part, received
            received += part
        assert received == expected, received
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.sendto(b'hello', daemon.address('udp'))
        assert s.recv(100) == b'hello'


def serves():
    with keeld(built('doc/examples/echo_module')) as daemon:
        assert daemon.status()['daemon'] == 'echod', daemon.status()
        assert len(worker_pids(daemon)) == 2
        echoes(daemon, b'hello')
        assert daemon.metric('echod_bytes_total') == 10, daemon.metrics_text()

        daemon.write(daemon.conf_path, 'listen = { "127.0.0.1:0" }\nprefix = ">"\n')
        daemon.ctl('reload')
        whole(daemon, 2)
        assert daemon.status()['generation'] == 2
        echoes(daemon, b'>hello')
        assert daemon.ctl('prefix') == '>', daemon.ctl('prefix')


def survives():
    """A killed worker is replaced, and a new master takes over: each loads the module again."""
    with keeld(built('doc/examples/echo_module')) as daemon:
        killed = worker_pids(daemon)[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(worker_pids(daemon)) == 2 and killed not in worker_pids(daemon),
              'another worker')
        echoes(daemon, b'hello')
        upgrade(daemon)
        whole(daemon, 2)
        echoes(daemon, b'hello')


def relative_path():
    folder = directory()
    shutil.copyfile(built('doc/examples/echo_module'), os.path.join(folder, 'mine.so'))
    with keeld('./mine.so', folder=folder) as daemon:
        echoes(daemon, b'hello')


def options():
    module = built('doc/examples/echo_module')
    status, out, _ = say(module, '--help')
    assert status == 0 and out.startswith('echod - sends back'), out
    status, out, _ = say(module, '--version')
    assert status == 0 and out.startswith('echod 1.0'), out
    status, _, err = say(module, '--listen', '127.0.0.1:0', '--nonsense')
    assert status == 2 and 'nonsense' in err, err
    status, out, _ = say('--help')
    assert status == 0 and 'keeld MODULE' in out, out
    assert say('--version')[0] == 0
    assert say()[0] == 2 and say('--listen')[0] == 2


def refused(module, *texts):
    status, _, err = say(module, '--listen', '127.0.0.1:0')
    assert status == 1, (status, err)
    for text in texts:
        assert text in err, err


def wrong_record():
    refused(built('tests/unit/service/modules/major'), 'abi_major is 3, this host has 2')
    refused(built('tests/unit/service/modules/small'), 'size is 64')
    refused(built('tests/unit/service/modules/empty'), 'exports no keel_module')


def loose_permissions():
    module = built('doc/examples/echo_module')
    os.chmod(module, 0o664)
    refused(module, 'is writable by others (mode 0664)')
    os.chmod(module, 0o644)
    os.chmod(os.path.dirname(module), 0o777)
    refused(module, os.path.dirname(module) + '" is writable by others (mode 0777)')
    os.chmod(os.path.dirname(module), 0o755)
    if os.geteuid() == 0:
        os.chown(module, 1, -1)
        refused(module, 'belongs to user 1, not to root')


def not_there():
    refused('/nonexistent/mine.so', 'cannot open "/nonexistent/mine.so"')
    refused('no-such-module', '/no-such-module.so"')
    path = os.path.join(directory(), 'text.so')
    with open(path, 'w') as f:
        f.write('not a shared object\n')
    refused(path, 'cannot load module')


run(('echod as a module: TCP, UDP, reload', serves),
    ('workers and an upgraded master load it again', survives),
    ('a relative path', relative_path),
    ('options of keeld and of the module', options),
    ('a record that does not fit', wrong_record),
    ('loose permissions', loose_permissions),
    ('a module that is not there, or is none', not_there))
