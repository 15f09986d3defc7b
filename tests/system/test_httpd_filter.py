"""Filters of modules: doc/examples/footer_module.c and those of the scripted module, with curl over
HTTP/1.1 and 2; what clients see when one fails; modules that do not fit."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import BUILDDIR, SRCDIR, Daemon, Skip, check_conf, directory, module, need_program, run, until

CONF = '''
listen = { "127.0.0.1:0" }
module "footer" { file = "%s" }
module "script" { file = "%s" }
site "localhost" {
  root     = "www"
  compress = { "br", "gzip" }
  compress-min = 0
  location "/"      { filter = "footer <p>the end</p>" }
  location "/two/"  { filter = { "footer one", "script:mark", "footer two" } autoindex = true }
  location "/s/"    { handler = "script" filter = { "script:change d", "footer end" } }
  location "/fail/" { handler = "script" filter = "script:change f" }
  location "/less/" { handler = "script" filter = "script:change s" }
  location "/gone/" { redirect = "301 /" filter = "footer moved" headers = { "X-Mark: mine" } }
  location "/exact/" { filter = "script:exact x" try-files = { "/page.txt" } }
}
'''
PAGE = '<p>hello</p>\n'
LARGE = '<p>' + 'a large page. ' * 40000 + '</p>\n'
FOOTER = '<p>the end</p>\n'


def httpd(**options):
    folder = directory()
    return Daemon('httpd', conf=CONF % (module(folder, 'doc/examples/footer_module'),
                                        module(folder, 'tests/support/script_module')),
                  listen=None, folder=folder, files={
                      'www/index.html': PAGE, 'www/large.html': LARGE, 'www/page.txt': LARGE,
                      'www/data.bin': LARGE, 'www/two/a.html': PAGE, 'www/s/n': 'x'}, **options)


def curl(daemon, path, *args, http2=False, status=(0,)):
    """(head, body) of one request; curl's exit status must be one of `status`."""
    out = subprocess.run([need_program('curl'), '-sS', '-m', '20', '-i',
                          '--http2-prior-knowledge' if http2 else '--http1.1', *args,
                          'http://127.0.0.1:%d%s' % (daemon.address('tcp')[1], path)],
                         capture_output=True, check=False)
    assert out.returncode in status, (path, args, out)
    head, _, body = out.stdout.partition(b'\r\n\r\n')
    return head.decode().lower(), body.decode('latin-1')


def fields(head):
    return sorted(line for line in head.split('\r\n') if not line.startswith('date:'))


def pages():
    """The whole page, whatever part of it or under which condition it is asked for."""
    with httpd() as daemon:
        for http2 in (False, True):
            for path, page in (('/', PAGE), ('/large.html', LARGE)):
                head, body = curl(daemon, path, http2=http2)
                assert body == page + FOOTER, (path, len(body))
                assert 'content-length: %d' % len(body) in head, head
                for name in ('etag', 'last-modified', 'accept-ranges'):
                    assert name not in head, head
                head_of_head, body = curl(daemon, path, '-I', http2=http2)
                assert not body and fields(head) == fields(head_of_head), (head, head_of_head)
                for more in (('-r', '5-9'), ('-z', 'Fri, 01 Jan 2100 00:00:00 GMT'),
                             ('-r', '0-0,5-6')):
                    head, body = curl(daemon, path, *more, http2=http2)
                    assert ' 200' in head and body == page + FOOTER, (more, head)
                for coding in ('br', 'gzip'):
                    head, body = curl(daemon, path, '--compressed', '-H',
                                      'Accept-Encoding: ' + coding, http2=http2)
                    assert 'content-encoding: ' + coding in head, head
                    assert body == page + FOOTER, (path, len(body))
            # no page: as ever
            head, body = curl(daemon, '/data.bin', '-r', '5-9', http2=http2)
            assert ' 206' in head and body == LARGE[5:10] and 'etag' in head, head
            head, body = curl(daemon, '/data.bin', http2=http2)
            assert body == LARGE and 'accept-ranges: bytes' in head, head
        head, body = curl(daemon, '/large.html', '--http1.0')
        assert body == LARGE + FOOTER and 'content-length' in head, head


def several():
    """In the order of the location; listings, handlers and redirects, too; header rules come last."""
    with httpd() as daemon:
        for http2 in (False, True):
            head, body = curl(daemon, '/two/a.html', http2=http2)
            assert body == PAGE + 'one\ntwo\n' and 'x-mark: yes' in head, (head, body)
            head, body = curl(daemon, '/two/', http2=http2)
            assert body.endswith('one\ntwo\n') and 'x-mark: yes' in head, (head, body)
            assert curl(daemon, '/s/s', http2=http2)[1] == '||'
            assert curl(daemon, '/s/none', http2=http2)[1] == ''.join(
                c * 2 for c in '404 not found\n')
            head, body = curl(daemon, '/gone/x', http2=http2)
            assert ' 301' in head and 'x-mark: mine' in head, head
            head, body = curl(daemon, '/exact/', http2=http2)
            assert body == LARGE + '!'
            tag = [line[6:] for line in head.split('\r\n') if line.startswith('etag: ')][0]
            assert tag.endswith('-x"'), tag
            head, body = curl(daemon, '/exact/', '-H', 'If-None-Match: ' + tag, http2=http2)
            assert ' 304' in head and 'etag: ' + tag in head, head


def failures():
    """What is cut off is seen as that; the worker lives, and clients may leave."""
    with httpd() as daemon:
        for http2 in (False, True):
            for path in ('/fail/g', '/less/s', '/less/g'):
                curl(daemon, path, http2=http2, status=(92,) if http2 else (18, 56))
        for _ in range(5):
            subprocess.run([need_program('curl'), '-s', '-m', '0.05', '--limit-rate', '2k', '-o',
                            '/dev/null', 'http://127.0.0.1:%d/large.html'
                            % daemon.address('tcp')[1]], check=False)
        until(lambda: daemon.metric('keel_connections') == 0, 'all are gone')
        assert curl(daemon, '/')[1] == PAGE + FOOTER


WRONG = (
    ('location "/" { filter = "x" }', 'no module is named "x"'),
    ('location "/" { filter = "hello" }', 'module "hello" has no filters'),
    ('location "/" { handler = "footer" }', 'filter = "footer"'),
    ('location "/" { filter = "script" }', 'module "script" has 3 filters, as "script:change"'),
    ('location "/" { filter = "script:none" }', 'has 3 filters'),
    ('location "/" { filter = "footer" }', 'a text expected'),
    ('location "/" { filter = "script:mark x" }', 'takes no argument'),
    ('location "/" { filter = { "script:mark", "footer" } }', 'filter'),
    ('location "/" { filter = { %s } }' % ', '.join(['"script:mark"'] * 8), '7 filters at most'),
)


def wrong_configuration():
    folder = directory()
    modules = ''.join('module "%s" { file = "%s" }\n' % (name, module(folder, where)) for name, where in (
        ('hello', 'doc/examples/hello_module'), ('footer', 'doc/examples/footer_module'),
        ('script', 'tests/support/script_module')))
    for text, words in WRONG:
        said = check_conf('httpd', 'listen = { "127.0.0.1:0" }\n%ssite "a" { root = "/" %s }'
                          % (modules, text))
        assert said[0] == 2 and words in said[1], (text, said)


ODD = '''
#include "httpd/request/handler.h"
static int head(struct http_exchange *x, void *settings, struct http_response *response,
                int64_t *length, void **state)
{
    return 0;
}
static const struct http_filter filter = {%s, .name = "odd", .head = head};
static const struct http_filter *const filters[] = {&filter, NULL};
extern const struct http_handler http_module;
const struct http_handler http_module = {%s, .name = "odd", .filters = filters};
'''
RECORD = '.size = %s, .abi_major = %s, .abi_minor = %s'
OURS = ('HTTP_FILTER', 'HTTP_HANDLER')
ODD_MODULES = (  # filter, handler, what is said
    (*OURS, None),
    (RECORD % ('offsetof(struct http_filter, configure)', 1, 0), OURS[1], None),
    (RECORD % (12, 1, 0), OURS[1], 'odd.so": its filter does not fit: it has 12 bytes, those of ABI '
     '1.0 have'),
    (OURS[0], RECORD % (3, 1, 0), 'odd.so": its record http_module does not fit: it has 3 bytes'),
    (OURS[0], RECORD % ('sizeof(struct http_handler) - 8', 1, 1), 'compile the module with the headers'),
    (OURS[0], RECORD % ('sizeof(struct http_handler) + 8', 1, 9), 'is newer than this httpd'),
    (OURS[0], RECORD % ('sizeof(struct http_handler)', 2, 0), 'it is of ABI 2.0'),
)


def odd_modules():
    """Built with other headers: older ones work, others are refused with the file and what to do."""
    cc = shutil.which('gcc') or shutil.which('cc')
    if not cc:
        raise Skip('there is no compiler')
    folder = directory()
    for filter_, handler, words in ODD_MODULES:
        with open(folder + '/odd.c', 'w', encoding='utf-8') as file:
            file.write('#include <stddef.h>\n' + ODD % (filter_, handler))
        path = folder + '/odd.so'
        subprocess.run([cc, '-std=gnu11', '-shared', '-fPIC', '-I', SRCDIR, '-I', BUILDDIR,
                        folder + '/odd.c', '-o', path], check=True)
        os.chmod(path, 0o644)
        said = check_conf('httpd', 'listen = { "127.0.0.1:0" }\nmodule "odd" { file = "%s" }\n'
                          'site "a" { root = "/" location "/" { filter = "odd" } }' % path)
        assert said[0] == (2 if words else 0) and (not words or words in said[1]), (handler, said)


run(('pages', pages),
    ('several filters', several),
    ('filters that fail', failures),
    ('wrong configurations', wrong_configuration),
    ('modules that do not fit', odd_modules))
