"""Which site answers where: addresses of sites, plain and TLS, over HTTP/1.1 and HTTP/2; rewrites
with conditions on what was asked, how, and by whom; error pages that change;
folders of locations."""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import whole, worker_pids
from keel import Daemon, directory, need_program, run, until
from tls import Authority, s_client

PLAIN = 'listen = { "127.0.0.1:0", "127.0.0.2:0" }\n'
LISTEN = 'listen = { %s }\n' % ', '.join(
    '"127.0.0.%d:0%s"' % (i, tls) for i in (1, 2, 3) for tls in ('', ' tls'))


def site(name, at=(), more='', certificate=None, default=False):
    text = 'site "%s" { location "/" { respond = "200 %s" } default = %s %s' \
        % (name, name, str(default).lower(), more)
    if at:
        text += ' listen = { %s }' % ', '.join('"127.0.0.%s"' % one for one in at)
    if certificate:
        text += ' certificate = "%s.pem" key = "%s.key"' % (certificate, certificate)
    return text + ' }\n'


def certificates(folder):
    authority = Authority(folder)
    for name in ('public', 'inside', 'other'):
        authority.sign(name, name + '.example', 'both.example')
    return authority


def httpd(folder, sites, listen=LISTEN, **options):
    return Daemon('httpd', conf=listen + sites, listen=None, folder=folder, **options)


def port(daemon, ip, tls=False):
    return next(port for host, port in daemon.addresses('tcp', tls) if host == ip)


def ask(daemon, ip, host, *args, tls=False):
    """Status and body, of a host's name that is at this address."""
    number = port(daemon, ip, tls)
    url = '%s://%s:%d/' % ('https' if tls else 'http', host, number)
    ended = subprocess.run([need_program('curl'), '-sS', '-k', '-m', '20', '-w', '%{http_code}',
                            '--connect-to', '::%s:%d' % (ip, number), url] + list(args),
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended
    return ended.stdout.strip()


SITES = site('public.example', default=True, certificate='public', more='names = "both.example"') \
    + site('inside.example', ('2:0', '3:0 tls'), certificate='inside',
           more='names = "both.example"') \
    + site('other.example', ('3:0',), certificate='other', default=True)


def sites_at_addresses():
    folder = directory()
    certificates(folder)
    with httpd(folder, SITES, workers=2) as daemon:
        # what 127.0.0.1 and .2 and .3 say, plain and with TLS
        for host, plain, secure in (
                ('public.example', 'ppp', 'ppp'), ('both.example', 'pip', 'pii'),
                ('inside.example', 'pio', 'pii'), ('other.example', 'ppo', 'ppo'),
                ('nobody.example', 'ppo', 'ppo')):
            for version in ('--http1.1', '--http2'):
                for tls, wanted in ((False, plain), (True, secure)):
                    found = ''.join(ask(daemon, '127.0.0.%d' % (i + 1), host, version, tls=tls)[0]
                                    for i in range(3))
                    assert found == wanted, (host, version, tls, found)
        # the certificate of the site that answers there
        for ip, name, subject in (('1', 'both.example', 'public'), ('2', 'both.example', 'inside'),
                                  ('3', 'both.example', 'inside'), ('1', 'inside.example', 'public'),
                                  ('3', 'inside.example', 'inside'), ('3', None, 'other'),
                                  ('2', None, 'public'), ('2', 'other.example', 'public')):
            address = ('127.0.0.' + ip, port(daemon, '127.0.0.' + ip, True))
            said = s_client(address, name, host='x').text
            assert re.search(r'subject=CN = %s\.example' % subject, said), (ip, name, said)


def clients_rules_by_address():
    """A site that wants certificates at one address is nobody's back door at another."""
    folder = directory()
    authority = certificates(folder)
    authority.sign('alice', 'alice')
    sites = site('public.example', certificate='public', default=True) \
        + site('inside.example', ('2:0', '2:0 tls'), certificate='inside',
               more='client-certificates = "ca.pem"')
    alice = ('--cert', folder + '/alice.pem', '--key', folder + '/alice.key')
    with httpd(folder, sites) as daemon:
        assert ask(daemon, '127.0.0.1', 'inside.example', *alice, tls=True) == 'public.example\n200'
        assert ask(daemon, '127.0.0.2', 'inside.example', *alice, tls=True) == 'inside.example\n200'
        assert ask(daemon, '127.0.0.2', 'inside.example').endswith('421')
        number = port(daemon, '127.0.0.2', True)
        assert ask(daemon, '127.0.0.2', 'public.example', '-H', 'Host: inside.example:%d' % number,
                   *alice, tls=True).endswith('421')


def after_a_reload():
    folder = directory()
    with httpd(folder, site('a') + site('b', ('2:0',)), PLAIN, workers=2) as daemon:
        ports = [port(daemon, '127.0.0.%d' % i) for i in (1, 2)]
        assert [ask(daemon, '127.0.0.%d' % i, 'b')[:1] for i in (1, 2)] == ['a', 'b']
        daemon.write(daemon.conf_path, PLAIN + site('b', ('1:0',)) + site('a'))
        daemon.ctl('reload')
        assert [port(daemon, '127.0.0.%d' % i) for i in (1, 2)] == ports
        assert [ask(daemon, '127.0.0.%d' % i, 'b')[:1] for i in (1, 2)] == ['b', 'a']
        # a bad one changes nothing
        daemon.write(daemon.conf_path, PLAIN + site('b', ('9:0',)) + site('a'))
        daemon.kill(1)
        until(lambda: 'httpd does not listen there' in daemon.log(), 'the refusal')
        assert ask(daemon, '127.0.0.1', 'b')[:1] == 'b'


REWRITES = r'''
site "example.org" {
  default = true
  names   = { "*.example.org" }
  rewrite = {
    '^/(.*)$ https://${host.1}/$1 301 if host=www\.(.+)$ method=GET,HEAD',
    '^/ 405 if !method=GET,HEAD,POST',
    '^/ 403 if header:user-agent=.*(?i)badbot',
    '^/secure https://${host}:8443/ 308 if scheme=http',
    '^/old$ /new/${query.1}? last if query=(?:.*&)?id=(\d+)',
    '^/(.*)$ /${host.1}/$1 if host=([a-z]+)\.users\.',
    '^/closed 503 if !client=127.0.0.1,::1',
    '^/closed /open if client=127.0.0.0/8'
  }
  location "/new/"  { respond = "200 new" }
  location "/ann/"  { respond = "200 ann" }
  location "/open"  { respond = "200 open" }
  location "/"      { respond = "200 root" }
  location "/app/"  { rewrite = '^/app/(.*) /new/$1 if header:x-new=' respond = "200 app" }
  certificate = "public.pem"
  key         = "public.key"
}
'''


def rewrites():
    folder = directory()
    certificates(folder)
    with httpd(folder, REWRITES, 'listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }\n') as daemon:
        for version in ('--http1.1', '--http2'):
            for tls in (False, True):
                def answer(host, path, *args):
                    """Status, and the location or what the body says."""
                    number = port(daemon, '127.0.0.1', tls)
                    ended = subprocess.run(
                        [need_program('curl'), '-sS', '-k', '-m', '20', '--path-as-is', version,
                         '-w', '\n%{http_code} %header{location}', '--connect-to',
                         '::127.0.0.1:%d' % number, '%s://%s:%d%s' % ('https' if tls else 'http', host,
                                                                      number, path)] + list(args),
                        capture_output=True, text=True, check=True)
                    body, _, rest = ended.stdout.rpartition('\n')
                    status, _, location = rest.partition(' ')
                    return int(status), location or body.strip()
                for host, path, args, wanted in (
                        ('www.a.example.org', '/x%20y?z=1', (), (301, 'https://a.example.org/x%20y?z=1')),
                        ('WWW.example.org', '/', ('-I',), (301, 'https://example.org/')),
                        ('www.example.org', '/', ('-d', 'x'), (200, 'root')),
                        ('example.org', '/', ('-X', 'PUT'), (405, None)),
                        ('example.org', '/', ('-A', 'x BadBot/1'), (403, None)),
                        ('example.org', '/secure', (),
                         (200, 'root') if tls else (308, 'https://example.org:8443/')),
                        ('example.org', '/old?a&id=12', (), (200, 'new')),
                        ('example.org', '/old?a', (), (200, 'root')),
                        ('ann.users.example.org', '/x', (), (200, 'ann')),
                        ('example.org', '/closed', (), (200, 'open')),
                        ('example.org', '/app/x', (), (200, 'app')),
                        ('example.org', '/app/x', ('-H', 'X-New: 1'), (200, 'new'))):
                    status, said = answer(host, path, *args)
                    if '-I' in args:
                        said = said.split('\n')[-1]
                    assert status == wanted[0] and said in (wanted[1], said if not wanted[1] else None), \
                        (version, tls, host, path, args, status, said)


def error_pages():
    """They are read again when they change, in workers that are there; one that is gone is kept."""
    folder = directory()
    conf = '''listen = "127.0.0.1:0"
respawn-budget = 0
site "a" { root = "www" error-pages = { "404 errors/404.html", "403 errors/403.html" } }
site "b" { root = "www" error-pages = { "404 errors/404.html" } }
'''
    page = 'www/errors/404.html'
    with Daemon('httpd', conf=conf, listen=None, folder=folder, workers=2, schedule='round-robin',
                files={page: 'first\n', 'www/errors/403.html': 'no\n'}) as daemon:
        whole(daemon, 2)
        before = worker_pids(daemon)

        def said(host='a'):
            number = daemon.address('tcp')[1]
            return subprocess.run([need_program('curl'), '-sS', '-m', '20', '-H', 'Host: ' + host,
                                   'http://127.0.0.1:%d/x' % number], capture_output=True, text=True,
                                  check=True).stdout
        assert [said('a'), said('b')] == ['first\n'] * 2
        daemon.write(page, 'second, and longer\n')
        until(lambda: [said() for _ in range(4)] == ['second, and longer\n'] * 4, 'the new page')
        assert said('b') == said('b') == 'second, and longer\n'
        daemon.write('www/errors/new', 'third\n')
        os.rename(folder + '/www/errors/new', folder + '/' + page)
        until(lambda: [said() for _ in range(4)] == ['third\n'] * 4, 'the one that replaces it')
        # too large, and gone: said, and nothing changes, but in workers that find nothing
        daemon.write(page, 'x' * 70000)
        until(lambda: daemon.log().count('it is larger than 64 KiB') >= 2, 'the complaint of both')
        assert [said() for _ in range(4)] == ['third\n'] * 4 and worker_pids(daemon) == before
        os.unlink(folder + '/' + page)
        os.kill(before[0], signal.SIGKILL)
        until(lambda: 'worker died' in daemon.log(), 'its death')
        whole(daemon, 2)
        until(lambda: 'an error page is missing' in daemon.log(), 'the complaint')
        assert sorted({said() for _ in range(4)}) == ['404 Not Found\n', 'third\n']
        daemon.write(page, 'fourth\n')
        until(lambda: [said() for _ in range(4)] == ['fourth\n'] * 4, 'it is there again')
        os.unlink(folder + '/' + page)
        daemon.kill(1)
        until(lambda: re.search(r'httpd.conf:3: site .*error-pages: cannot read', daemon.log()),
              'the refusal')
        assert said() == 'fourth\n'


def folders():
    """Locations with a folder of their own: the whole path below it, or what follows its own."""
    folder = directory()
    conf = '''listen = "127.0.0.1:0"
site "a" {
  root = "www"
  location "/root/"  { root = "other" }
  location "/alias"  { alias = "other" index = "i.html" charset = "iso-8859-1" autoindex = true }
  location "/slash/" { alias = "other/root" }
  location "/app/"   { alias = "other" try-files = { "$path", "/i.html" } }
  location "= /icon" { root = "other" try-files = "/root/icon.txt" }
  location "/index/" { index = "x.txt" }
}
'''
    files = {'www/index.html': 'www', 'www/root/x.txt': 'no', 'www/alias/x.txt': 'no', 'www/index/x.txt': 'x',
             'www/secret.txt': 'secret', 'other/root/x.txt': 'root', 'other/root/icon.txt': 'icon',
             'other/x.txt': 'alias', 'other/i.html': 'index', 'other/root/index.html': 'start',
             'other/dir/y': '', 'secret.txt': 'secret', 'other/.hidden': 'secret'}
    with Daemon('httpd', conf=conf, listen=None, folder=folder, files=files) as daemon:
        os.symlink('../secret.txt', folder + '/other/out')
        os.symlink('x.txt', folder + '/other/in')

        def ask_for(path):
            ended = subprocess.run(
                [need_program('curl'), '-sS', '--path-as-is', '-m', '20', '-w',
                 '\n%{http_code}|%header{location}|%header{content-type}',
                 'http://127.0.0.1:%d%s' % (daemon.address('tcp')[1], path)],
                capture_output=True, text=True, check=True)
            body, _, rest = ended.stdout.rpartition('\n')
            status, location, kind = rest.split('|')
            return int(status), location or kind, body
        for path, wanted in (
                ('/', 'www'), ('/root/x.txt', 'root'), ('/root/', 'start'), ('/alias/x.txt', 'alias'),
                ('/alias/', 'index'), ('/alias/in', 'alias'), ('/slash/x.txt', 'root'),
                ('/slash/', 'start'), ('/app/x.txt', 'alias'), ('/app/a/b', 'index'), ('/icon', 'icon'),
                ('/index/', 'x'), ('/root/icon.txt', 'icon')):
            status, _, body = ask_for(path)
            assert (status, body) == (200, wanted), (path, status, body)
        for path in ('/alias/../secret.txt/', '/alias/..%2fsecret.txt', '/alias/out', '/alias/.hidden',
                     '/aliasx.txt', '/alias./x.txt', '/slash/../x.txt', '/x.txt', '/alias/secret.txt',
                     '/root/secret.txt', '/slash/%2e%2e/%2e%2e/secret.txt', '/slashx.txt'):
            assert ask_for(path)[0] in (400, 403, 404), (path, ask_for(path))
        assert ask_for('/alias')[:2] == (301, '/alias/'), ask_for('/alias')
        assert ask_for('/alias/dir')[:2] == (301, '/alias/dir/')
        status, kind, body = ask_for('/alias/dir/')
        assert status == 200 and '/alias/dir/' in body and 'href="./y"' in body, body
        assert ask_for('/alias/x.txt')[1] == 'text/plain; charset=iso-8859-1'
        assert ask_for('/root/x.txt')[1] == 'text/plain; charset=utf-8'
        # and what changes is seen
        daemon.write('other/x.txt', 'changed')
        until(lambda: ask_for('/alias/x.txt')[2] == 'changed', 'the change')
        assert ask_for('/app/x.txt')[2] == 'changed'
        os.rename(folder + '/other/root/icon.txt', folder + '/other/new.txt')
        assert ask_for('/alias/new.txt')[2] == 'icon'


run(('sites at addresses', sites_at_addresses),
    ('clients with certificates, by address', clients_rules_by_address),
    ('another address after a reload', after_a_reload),
    ('rewrites with conditions', rewrites),
    ('error pages that change', error_pages),
    ('folders of locations', folders))
