"""The layers of the house, lowest first: base, wire, engine, runtime and service and store, serve
and handlers, main. A file includes only its own layer or lower; only a daemon's wire/ may be
included by another daemon; libevent, OpenSSL's SSL and sockets stay in common/."""
import os
import re
import sys

TOP = os.environ.get('KEEL_SRCDIR') or os.path.join(os.path.dirname(__file__), '..', '..')
sys.path.insert(0, os.path.join(TOP, 'tests', 'support'))
from tap import Tap

DAEMONS = ('dnsd', 'dhcpd', 'httpd')
ENGINES = {'dnsd': ('zone', 'answer', 'transfer'), 'dhcpd': ('lease', 'engine'),
           'httpd': ('request', 'conn')}
BASE, WIRE, ENGINE, CORE, SERVE, MAIN = range(6)
NAMES = ('base', 'wire', 'engine', 'core', 'serve', 'main')

# Headers of other libraries, and the folders that may use them.
FOREIGN = (
    ('event2/', ('common/runtime/', 'common/service/')),
    ('openssl/ssl', ('common/runtime/',)),
    ('lmdb.h', ('common/store/',)),
    ('confuse.h', ('common/service/',)),
    ('seccomp.h', ('common/service/',)),
    ('sys/capability.h', ('common/service/',)),
    ('sys/epoll.h', ('common/runtime/',)),
)


def layer(path):
    """Layer of a source file or of what an include names; None for what is not the project's."""
    parts = path.split('/')
    if parts[0] == 'common':
        return BASE if parts[1] == 'base' else CORE
    if parts[0] not in DAEMONS:
        return None
    if len(parts) == 2:
        return MAIN
    if parts[1] == 'wire':
        return WIRE
    if parts[1] in ENGINES[parts[0]]:
        return ENGINE
    return SERVE


def complaint(path, included):
    mine, theirs = layer(path), layer(included)
    if theirs is None:
        for prefix, folders in FOREIGN:
            if included.startswith(prefix) and not path.startswith(folders):
                return '<%s> belongs in %s' % (included, ' and '.join(folders))
        if path.startswith('common/base/') and included.startswith('openssl/') \
                and not path.startswith('common/base/digest'):
            return 'libcrypto belongs in base/digest.c'
        return None
    mine_house, their_house = path.split('/')[0], included.split('/')[0]
    if their_house in DAEMONS and their_house != mine_house:
        if mine_house == 'common':
            return 'common/ includes nothing of a daemon'
        if theirs != WIRE:
            return "of another daemon only wire/ may be included"
    if theirs > mine and not (mine == SERVE and included.endswith('/options.h')):
        return '%s must not include %s' % (NAMES[mine], NAMES[theirs])
    return None


def sources(folder):
    for root, folders, files in os.walk(os.path.join(TOP, folder)):
        folders.sort()
        for name in sorted(files):
            if name.endswith(('.c', '.h')):
                yield os.path.relpath(os.path.join(root, name), TOP)


def check(folder):
    complaints = []
    for path in sources(folder):
        with open(os.path.join(TOP, path), encoding='utf-8') as f:
            for number, line in enumerate(f, 1):
                found = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
                text = found and complaint(path, found.group(1))
                if text:
                    complaints.append('%s:%d: %s' % (path, number, text))
    assert not complaints, '\n'.join(complaints)


def header_beside_source():
    alone = [path for folder in ('common',) + DAEMONS for path in sources(folder)
             if path.endswith('.c') and os.path.basename(path) != 'main.c'
             and not os.path.exists(os.path.join(TOP, path[:-1] + 'h'))]
    assert not alone, 'no header beside\n' + '\n'.join(alone)


Tap().run([(folder + ' keeps to its layers', lambda folder=folder: check(folder))
           for folder in ('common',) + DAEMONS]
          + [('a header beside every source file', header_beside_source)])
