"""httpd and files that change: what is served is what is there, and nothing is looked at twice."""
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Skip, need_program, run, until
from test_httpd_files import curl, httpd

# so long that only a watch can tell of a change
NEVER = 'file-cache { valid = "3600s" }'
SITE = '''
listen = { "127.0.0.1:0" }
site "localhost" {
  default = true
  root    = "www"
  location "/list/" { autoindex = true }
}
'''


def write(path, text):
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def replace(path, text):
    write(path + '.new', text)
    os.rename(path + '.new', path)


def undisturbed(test):
    """Whoever mounts something makes httpd look at all files again, so what is expected of files
    that nobody touches holds only while nobody else does (other tests have network namespaces)."""
    def run_it():
        for _ in range(10):
            with open('/proc/self/mountinfo', encoding='utf-8') as f:
                table = select.poll()
                table.register(f, select.POLLPRI)
                try:
                    return test()
                except AssertionError:
                    if not table.poll(0):
                        raise
        raise Skip('others mount and unmount all the time')
    return run_it


def at_once():
    """Every worker, without waiting: each change is done before the question is asked."""
    with httpd(SITE + NEVER, {'www/sub/a': '0', 'www/list/one': 'x'}, workers=2) as daemon:
        www = daemon.folder + '/www'

        def is_there(path, body):
            for _ in range(8):  # the kernel chooses the worker
                status, _, got = curl(daemon, path)
                assert (status, got) == ((200, body) if body is not None else (404, got)), (
                    path, status, got, body)
        is_there('/sub/a', b'0')
        is_there('/new', None)
        for i in range(5):
            text = 'version %d' % i
            replace(www + '/sub/a', text)
            is_there('/sub/a', text.encode())
            write(www + '/sub/a', text + ', written over')
            is_there('/sub/a', (text + ', written over').encode())
        write(www + '/new', 'now')
        is_there('/new', b'now')
        os.unlink(www + '/new')
        is_there('/new', None)
        os.makedirs(www + '/release2')
        write(www + '/release2/a', 'second')
        os.rename(www + '/sub', www + '/release1')
        is_there('/sub/a', None)
        os.symlink('release1', www + '/sub')
        is_there('/sub/a', b'version 4, written over')
        os.symlink('release2', www + '/next')
        os.rename(www + '/next', www + '/sub')
        is_there('/sub/a', b'second')
        assert b'"two"' not in curl(daemon, '/list/?format=json')[2]
        write(www + '/list/two', 'y')
        assert b'"two"' in curl(daemon, '/list/?format=json')[2]
        assert daemon.metric('httpd_file_cache_watches') >= 2
        assert daemon.metric('httpd_file_cache_changes_total') >= 20


def in_memory():
    """The same on a file system of which the kernel forgets what is not there."""
    if not os.path.isdir('/dev/shm') or not os.access('/dev/shm', os.W_OK):
        raise Skip('no /dev/shm')
    folder = tempfile.mkdtemp(prefix='keel-test-', dir='/dev/shm')
    try:
        write(folder + '/a', 'old')
        with httpd(SITE.replace('"www"', '"%s"' % folder) + NEVER) as daemon:
            assert curl(daemon, '/a')[2] == b'old'
            assert [curl(daemon, path)[0] for path in ('/new', '/sub/new')] == [404, 404]
            replace(folder + '/a', 'changed')
            write(folder + '/new', 'now')
            os.mkdir(folder + '/sub')
            write(folder + '/sub/new', 'and this')
            assert [curl(daemon, path)[2] for path in ('/a', '/new', '/sub/new')] == \
                [b'changed', b'now', b'and this']
    finally:
        shutil.rmtree(folder)


def nothing_is_asked_twice():
    """What does not change is not looked at, however long it is served."""
    files = {'www/d%d/f%d' % (i % 3, i): str(i) for i in range(30)}
    with httpd(SITE + 'file-cache { valid = "0s" }', files) as daemon:
        for name in files:
            curl(daemon, name[3:])
        before = daemon.metric('httpd_file_cache_misses_total')
        for _ in range(3):
            for name in files:
                assert curl(daemon, name[3:])[2] == files[name].encode()
            time.sleep(0.3)
        assert daemon.metric('httpd_file_cache_misses_total') == before, 'files were looked at'


def without_watches():
    """Beyond the limit the time decides; none at all is a setting too."""
    conf = SITE + 'file-cache { valid = "1s"\n watches = 0 }'
    with httpd(conf, {'www/a': 'old'}) as daemon:
        assert curl(daemon, '/a')[2] == b'old'
        replace(daemon.folder + '/www/a', 'new')
        until(lambda: curl(daemon, '/a')[2] == b'new', 'the new file after a second')
        assert daemon.metric('httpd_file_cache_watches') == 0


class FewWatches:
    """A user namespace in which the system gives two watches."""
    path = '/proc/sys/user/max_inotify_watches'

    def prefix(self):
        return [need_program('unshare'), '-U', '-r', 'sh', '-c',
                'echo 2 >%s && exec "$0" "$@"' % self.path]


def system_limit():
    """The system gives no more watches: told once, and served all the same."""
    few = FewWatches()
    if subprocess.run(few.prefix() + ['true'], stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip('no user namespace with limits can be made here')
    conf = SITE + 'file-cache { valid = "1s" }'
    files = {'www/d%d/f' % i: 'old' for i in range(5)}
    with httpd(conf, files, netns=few) as daemon:
        for _ in range(2):
            for i in range(5):
                assert curl(daemon, '/d%d/f' % i)[2] == b'old'
        for i in range(5):
            replace(daemon.folder + '/www/d%d/f' % i, 'new')
        for i in range(5):
            until(lambda: curl(daemon, '/d%d/f' % i)[2] == b'new', 'the new file')
        assert daemon.log().count('no more folders can be watched') == 1, daemon.log()
        assert daemon.metric('httpd_file_cache_watches') == 2


def symlinks():
    """The policy of a site."""
    for policy, status in (('inside', 200), ('owner', 200), ('no', 403)):
        conf = SITE.replace('root ', 'symlinks = "%s"\n  root ' % policy)
        with httpd(conf, {'www/a': 'x'}) as daemon:
            www = daemon.folder + '/www'
            os.symlink('a', www + '/inside')
            os.symlink('../www/a', www + '/out-and-in')
            os.symlink('/etc/passwd', www + '/passwd')
            assert curl(daemon, '/inside')[0] == status
            assert curl(daemon, '/out-and-in')[0] in (403, 404)
            assert curl(daemon, '/passwd')[0] in (403, 404)
            if os.geteuid() == 0:
                os.lchown(www + '/inside', 12345, 0)
                want = 200 if policy == 'inside' else 403
                until(lambda: curl(daemon, '/inside')[0] == want, 'the owner decides')


if __name__ == '__main__':
    run(('changes are seen at once', undisturbed(at_once)),
        ('what does not change is not looked at', undisturbed(nothing_is_asked_twice)),
        ('files in memory', undisturbed(in_memory)),
        ('without watches', without_watches),
        ('a limit of the system', system_limit),
        ('links', symlinks))
