"""A disk that takes its time delays who asks for its files, and nobody else."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Daemon, directory, need_program, run, until
from slow_fs import SlowFs
from test_httpd import certificate

BIG = bytes(range(256)) * 2048  # half a MiB
FILES = {'big': BIG, 'small': b'small', 'other': b'other'}
CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
site "localhost" {
  default     = true
  certificate = "cert.pem"
  key         = "key.pem"
  root        = "www"
  location "/slow/" { autoindex = true }
}
'''


class Setting:
    """A daemon whose www/slow is a slow file system."""

    def __init__(self):
        folder = directory()
        certificate(folder)
        self.daemon = Daemon('httpd', conf=CONF, listen=None, folder=folder,
                             files={'www/fast': 'fast\n', 'www/slow/none': ''})
        self.disk = SlowFs(folder + '/www/slow', FILES)

    def __enter__(self):
        self.daemon.__enter__()
        return self.daemon, self.disk

    def __exit__(self, *what):
        self.disk.hurry()
        try:
            return self.daemon.__exit__(*what)
        finally:
            self.disk.close()


class Question:
    """curl, started; what it says goes to a file, so that nothing waits for us."""

    def __init__(self, daemon, path, *args, tls=False):
        url = 'http%s://127.0.0.1:%d%s' % ('s' if tls else '', daemon.address('tcp', tls)[1], path)
        self.file = tempfile.TemporaryFile()
        self.curl = subprocess.Popen([need_program('curl'), '-sSk', '-m', '60'] + list(args) + [url],
                                     stdout=self.file)

    def is_open(self):
        return self.curl.poll() is None

    def answer(self):
        self.curl.wait(60)
        self.file.seek(0)
        with self.file:
            return self.file.read()


def others_go_on(daemon, slow):
    """Questions that are answered while the slow one waits: how many, and how long the worst took."""
    count, worst = 0, 0
    while slow.is_open():
        out = Question(daemon, '/fast', '-w', '%{time_total}').answer()
        assert out.startswith(b'fast\n'), out
        if slow.is_open():
            count += 1
            worst = max(worst, float(out.split()[1]))
    return count, worst


def longest_turn(daemon, delay):
    """The worker's own figure, in ms: a client's clock would measure the machine as well. A loop that
    waited for the disk had a turn of its delay, in seconds."""
    turn = max(row['result']['worst_turn_ms'] for row in daemon.ctl('lag'))
    assert turn < delay * 800, 'a turn of the loop took %.1f ms' % turn
    return turn


def nature():
    """What a file system is, nobody but its server may know."""
    with Setting() as (daemon, disk):
        disk.statfs = 0.7
        slow = Question(daemon, '/slow/big')
        count, worst = others_go_on(daemon, slow)
        assert slow.answer() == BIG
        print('# %d others, %.1f ms at most; longest turn %.1f ms'
              % (count, worst * 1e3, longest_turn(daemon, disk.statfs)))


def bodies():
    for what, args, tls in (('HTTP/1.1', ['--http1.1'], False), ('TLS', ['--http1.1'], True),
                            ('HTTP/2', ['--http2-prior-knowledge'], False),
                            ('HTTP/2 in TLS', ['--http2'], True)):
        with Setting() as (daemon, disk):
            disk.read = 0.3
            slow = Question(daemon, '/slow/big', *args, tls=tls)
            count, worst = others_go_on(daemon, slow)
            out = slow.answer()
            assert out == BIG, (what, len(out))
            assert disk.reads > 0
            assert count >= 5, (what, count)
            print('# %s: %d others while it was read, %.1f ms at most; longest turn %.1f ms'
                  % (what, count, worst * 1e3, longest_turn(daemon, disk.read)))


def opening():
    """Looking up, opening and reading a small file, and a listing."""
    with Setting() as (daemon, disk):
        for lookup, opened, read, path, body in ((0.7, 0, 0, '/slow/small', b'small'),
                                                 (0, 0.7, 0, '/slow/other', b'other'),
                                                 (0, 0, 0.7, '/slow/small', b'small'),
                                                 (0.7, 0, 0, '/slow/missing', None),
                                                 (0, 0.7, 0, '/slow/', None)):
            disk.lookup, disk.open, disk.read = lookup, opened, read
            until(lambda: daemon.ctl('cache-flush') or True, 'a flush')
            several = [Question(daemon, path) for _ in range(3)]
            count, worst = others_go_on(daemon, several[0])
            for slow in several:
                out = slow.answer()
                assert body is None or out == body, (path, out)
            assert count >= 5, (path, count)
            print('# %s: %d others, %.1f ms at most; longest turn %.1f ms'
                  % (path, count, worst * 1e3, longest_turn(daemon, 0.7)))


def many():
    """More questions than threads, clients that go away, and a stop in the middle."""
    with Setting() as (daemon, disk):
        disk.read = disk.open = 0.2
        crowd = [Question(daemon, '/slow/' + ('big', 'small', 'other')[i % 3]) for i in range(40)]
        for i, slow in enumerate(crowd):
            if i % 4 == 0:
                slow.curl.kill()
        for i, slow in enumerate(crowd):
            out = slow.answer()
            assert i % 4 == 0 or out == (BIG, b'small', b'other')[i % 3], (i, len(out))
        disk.read = 0.5
        daemon.ctl('cache-flush')
        last = Question(daemon, '/slow/big')
        time.sleep(0.2)
    assert BIG.startswith(last.answer())


if __name__ == '__main__':
    run(('bodies of large files', bodies),
        ('opening, small files, listings', opening),
        ('what file system it is', nature),
        ('many at once', many))
