"""The manual pages: there is one for each program that is installed, mandoc finds nothing wrong with
it, and what it says about the configuration file is what the daemon's own rows say."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import BUILDDIR, SRCDIR, need_program, output, program, run, setting

DAEMONS = ('dnsd', 'dhcpd', 'httpd')


def page(name):
    """A page in the build tree (generated) or in the source tree."""
    for top in (BUILDDIR, SRCDIR):
        path = os.path.join(top, 'doc', name)
        if os.path.exists(path):
            return path
    raise AssertionError('there is no doc/' + name)


def installed_pages():
    return sorted({os.path.basename(p) for v in ('man_MANS', 'dist_man_MANS')
                   for p in setting(v).split()})


def each_program():
    names = [os.path.basename(p) + section for v, section in
             (('bin_PROGRAMS', '.1'), ('sbin_PROGRAMS', '.8')) for p in setting(v).split()]
    assert 'keelctl.1' in names and 'httpd.8' in names, names
    missing = sorted(set(names) - set(installed_pages()))
    assert not missing, missing


def lint():
    mandoc = need_program('mandoc')
    for name in installed_pages():
        complaints = output([mandoc, '-Tlint', '-W', 'warning', page(name)], check=False)
        assert complaints == '', complaints


def options():
    for name in DAEMONS:
        with open(page(name + '.8'), encoding='utf-8') as f:
            text = f.read()
        rows = output([program(name), '--print-man'])
        assert rows.startswith('.Bl') and rows in text, \
            'doc/%s.8 does not have what %s --print-man prints' % (name, name)


def flags():
    """Every option of the command line stands in the page."""
    for name in DAEMONS:
        with open(page(name + '.8'), encoding='utf-8') as f:
            text = f.read()
        for line in output([program(name), '--help']).splitlines():
            if line.startswith('  --'):
                flag = line.split()[0].lstrip('-').split('[')[0].split('=')[0]
                if flag in ('print-man', 'help', 'version'):
                    continue
                assert 'Fl -' + flag in text, '%s.8 says nothing of --%s' % (name, flag)


def quotes():
    """What doc/echod.md shows of echod.c is in it, and in its order."""
    with open(os.path.join(SRCDIR, 'doc', 'examples', 'echod.c'), encoding='utf-8') as f:
        source = [line.strip() for line in f]
    with open(os.path.join(SRCDIR, 'doc', 'echod.md'), encoding='utf-8') as f:
        text = f.read()
    shown = text[text.index('## The file'):text.index('## Run it')].splitlines()
    at = 0
    for line in shown:
        if line.startswith('    ') and line.strip():
            assert line.strip() in source[at:], 'not in echod.c, or not there: ' + line
            at = source.index(line.strip(), at)
    assert at > len(source) * 0.9


run(('each program has its page', each_program),
    ('mandoc finds nothing wrong', lint),
    ('the options of the file are those of the daemons', options),
    ('the options of the command line are in the pages', flags),
    ('doc/echod.md shows echod.c as it is', quotes))
