"""WebSockets through httpd's tunnels, with clients that nobody here wrote: a browser, over HTTP/1.1
and over HTTP/2 (RFC 8441), and python3-websockets; and what no good client sends. The server's side
is doc/examples/websocket_module.c."""
import asyncio
import json
import os
import random
import re
import signal
import socket
import ssl
import struct
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from http2 import Client
from keel import (Daemon, certificate, check_conf, directory, module, need_program,
                  need_python_module, run, spawn, until, use_python_of)

use_python_of('websockets', 'h2')

CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
keepalive-timeout = 2s
send-timeout      = 1s
body-timeout      = 1s
drain-timeout     = %s
access-log { file = "access.log" format = "%%{protocol} %%{method} %%{target} %%{status}" buffer = 4k }
module "websocket" { file = "%s" }
site "localhost" {
  default     = true
  certificate = "certificate"
  key         = "key"
  root        = "www"
  location "/echo"  { handler = "websocket" }
  location "/watch" { handler = "websocket" argument = "500ms" }
}
'''
SIZES = (0, 1, 125, 126, 127, 65535, 65536, 1 << 20)
KEY = 'dGhlIHNhbXBsZSBub25jZQ=='  # RFC 6455, 1.3


def httpd(drain='30s', files=None, workers=1):
    folder = directory()
    certificate(folder=folder)
    conf = CONF % (drain, module(folder, 'doc/examples/websocket_module'))
    return Daemon('httpd', conf=conf, listen=None, folder=folder, workers=workers,
                  files={'www/echo': 'a file\n', 'www/x': 'x', **(files or {})})


def logged(daemon):
    with open(daemon.folder + '/access.log', encoding='utf-8') as f:
        return f.read().splitlines()


# ---- a browser --------------------------------------------------------------------------------

PAGE = '''<!DOCTYPE html><title>keel</title><script>
const echo = location.protocol.replace('http', 'ws') + '//' + location.host + '/echo';
const sizes = %s;
function open(kind) {
  return new Promise((done, failed) => {
    const ws = new WebSocket(echo + '?' + kind);
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => done(ws);
    ws.onerror = () => failed('cannot open');
  });
}
function closed(ws) {
  return new Promise(done => ws.onclose = e => done([e.code, e.wasClean]));
}
/* Sends them all at once, and waits for all to come back, in order. */
function round(ws, messages) {
  return new Promise((done, failed) => {
    let at = 0;
    ws.onclose = e => failed('closed ' + e.code);
    ws.onmessage = e => {
      const sent = messages[at++], got = e.data;
      const same = typeof sent == 'string' ? got === sent
        : got.byteLength == sent.length && new Uint8Array(got).every((b, i) => b == sent[i]);
      if (!same) failed('message ' + (at - 1) + ' differs');
      if (at == messages.length) done(at);
    };
    for (const m of messages) ws.send(m);
  });
}
function bytes(n) {
  return new Uint8Array(n).map((_, i) => (i * 7 + (i >> 8)) & 255);
}
async function all() {
  const result = {};
  const first = await open('sizes');
  result.text = await round(first, sizes.map(n => 'x'.repeat(n)).concat('gr\\u00fc\\u00df \\u{1f44b}'));
  result.binary = await round(first, sizes.map(bytes));
  result.many = await round(first, Array.from({length: 2000}, (_, i) => 'message ' + i));
  let end = closed(first);
  first.close(3001, 'enough');
  result.closed = await end;
  const crowd = await Promise.all(Array.from({length: 20}, () => open('crowd')));
  result.crowd = (await Promise.all(crowd.map((ws, i) => round(ws, [bytes(1000 * i), 'a' + i,
    bytes(100000)])))).length;
  crowd.forEach(ws => ws.close());
  const large = await open('large');
  end = closed(large);
  large.send(bytes(5 << 20));
  result.large = (await end)[0];
  const parts = performance.getEntriesByType('navigation');
  result.page = parts[0].nextHopProtocol;
  return result;
}
all().catch(e => ({failed: String(e)})).then(r =>
  fetch('/result?' + encodeURIComponent(JSON.stringify(r))));
</script>
'''


def browser():
    chromium = need_program('chromium', 'chromium-browser')
    want = {'text': len(SIZES) + 1, 'binary': len(SIZES), 'many': 2000, 'closed': [3001, True],
            'crowd': 20, 'large': 1009}
    with httpd(files={'www/page.html': PAGE % json.dumps(SIZES)}) as daemon:
        for tls, page, line in ((True, 'h2', 'HTTP/2.0 CONNECT /echo?%s 200'),
                                (False, 'http/1.1', 'HTTP/1.1 GET /echo?%s 101')):
            url = '%s://127.0.0.1:%d/page.html' % ('https' if tls else 'http',
                                                   daemon.address('tcp', tls)[1])
            before = len(logged(daemon))
            with open(daemon.folder + '/browser.log', 'ab') as log:
                process = spawn(
                    [chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
                     '--no-first-run', '--disable-background-networking', '--disable-sync',
                     '--disable-component-update', '--disable-dev-shm-usage',
                     '--ignore-certificate-errors', '--remote-debugging-port=0',
                     '--user-data-dir=' + directory(), url], stdout=log, stderr=log,
                    env={**os.environ, 'HOME': directory()})

            def result():
                return [re.search(r'/result\?(\S+)', row) for row in logged(daemon)[before:]
                        if '/result?' in row]
            found = until(result, 'the result of the page', patience=60)
            process.terminate()
            process.wait(20)
            got = json.loads(urllib.parse.unquote(found[0].group(1)))
            assert got == {**want, 'page': page}, got
            # it went the way that it should; over HTTP/2, by the connection of the page
            rows = until(lambda: [r for r in logged(daemon)[before:] if '/echo' in r], 'the log')
            assert rows.count(line % 'sizes') == 1 and rows.count(line % 'large') == 1, rows
            assert rows.count(line % 'crowd') == 20 and len(rows) == 22, rows
            assert not tls or daemon.metric('keel_connections_total') < 6
        assert daemon.metric('httpd_responses_total', **{'class': '5xx'}) == 0


# ---- python3-websockets -----------------------------------------------------------------------

def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(daemon, tls=False, path='/echo', **options):
    return need_python_module('websockets').connect(
        '%s://127.0.0.1:%d%s' % ('wss' if tls else 'ws', daemon.address('tcp', tls)[1], path),
        ssl=trusting() if tls else None, max_size=None, **options)


def play(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, 60))


def messages():
    async def talk(daemon, tls):
        async with connect(daemon, tls) as ws:
            for size in SIZES:
                for message in (bytes(size), 'y' * size):
                    await ws.send(message)
                    assert await ws.recv() == message, size
            await ws.send(['one ', 'two ', 'three'])  # in three frames
            assert await ws.recv() == 'one two three'
            await asyncio.wait_for(await ws.ping(b'p' * 125), 20)
        assert (ws.close_code, ws.close_reason) == (1000, ''), ws.close_code

    async def crowd(daemon, tls):
        await asyncio.gather(*(talk(daemon, tls) for _ in range(10)))
    need_python_module('websockets')
    with httpd(workers=2) as daemon:
        for tls in (False, True):
            play(crowd(daemon, tls))
        # the connections end with their tunnels
        until(lambda: daemon.metric('keel_connections') == 0, 'all are gone')
        until(lambda: logged(daemon).count('HTTP/1.1 GET /echo 101') == 20, 'the log of all')


def no_reader():
    """What a client does not take is not read from it either: no memory is spent on it, and others
    are served; when it reads again, nothing is missing."""
    need_python_module('websockets')
    piece, pieces = random.Random(1).randbytes(100000), 300

    async def talk(daemon):
        async with connect(daemon, max_queue=1, ping_interval=None) as ws:
            sent = 0

            async def send():
                nonlocal sent
                for i in range(pieces):
                    await ws.send(b'%d ' % i + piece)
                    sent = i + 1
            sender = asyncio.create_task(send())
            seen = -1
            while seen != sent:  # until no more of it leaves
                seen = sent
                await asyncio.sleep(0.5)
            assert sent < pieces, 'it takes everything'
            async with connect(daemon) as other:
                await other.send('hello')
                assert await other.recv() == 'hello'
            for i in range(pieces):
                assert await ws.recv() == b'%d ' % i + piece, i
            await sender
    with httpd() as daemon:
        play(talk(daemon))


def leaving():
    """A reload and a stop: tunnels live on, up to the drain's end."""
    need_python_module('websockets')

    async def echo(ws, text):
        await ws.send(text)
        assert await ws.recv() == text

    async def talk(daemon):
        old = await connect(daemon)
        await echo(old, 'before')
        daemon.ctl('reload')
        await echo(old, 'after')
        until(lambda: any(row['state'] == 'draining' for row in daemon.ctl('generations')),
              'the old generation drains')
        new = await connect(daemon)
        for i in range(20):
            await asyncio.sleep(0.1)
            await echo(old, 'old %d' % i)
            await echo(new, 'new %d' % i)
        await old.close()
        until(lambda: len(daemon.ctl('generations')) == 1, 'the old generation has gone')
        await echo(new, 'still')
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: 'stopping' in daemon.log(), 'it drains')
        await echo(new, 'last')
        await new.close()
        assert new.close_code == 1000
        daemon.process.wait(20)
    with httpd() as daemon:
        play(talk(daemon))

    async def stay(daemon):
        ws = await connect(daemon)
        await echo(ws, 'here')
        daemon.process.send_signal(signal.SIGTERM)
        await ws.wait_closed()
        assert ws.close_code == 1006, ws.close_code
        daemon.process.wait(20)
    with httpd(drain='1s') as daemon:
        play(stay(daemon))


def silence():
    """httpd leaves a silent tunnel alone, far beyond its timeouts; the module pings, and gives up a
    client that does not answer."""
    need_python_module('websockets')

    async def talk(daemon):
        async with connect(daemon, ping_interval=None) as ws, \
                connect(daemon, tls=True, ping_interval=None) as other:
            await asyncio.sleep(5)  # send-timeout and body-timeout are 1s, keepalive-timeout 2s
            for one in (ws, other):
                await one.send('still here')
                assert await one.recv() == 'still here'
        async with connect(daemon, path='/watch', ping_interval=None) as ws:
            await asyncio.sleep(2)  # it answers pings by itself
            await ws.send('still here')
            assert await ws.recv() == 'still here'
    with httpd() as daemon:
        play(talk(daemon))
        with Raw(daemon, '/watch') as raw:
            assert raw.frame() == (9, b'')
            assert raw.frame() == (8, struct.pack('>H', 1011)) and raw.recv(1) == b''


# ---- by hand: what good clients do not send ----------------------------------------------------

class Raw:
    """An open WebSocket of frames."""

    def __init__(self, daemon, path='/echo'):
        self.sock = socket.create_connection(daemon.address('tcp'), timeout=20)
        self.sock.sendall(('GET %s HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n'
                           'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
                           'Sec-WebSocket-Key: %s\r\n\r\n' % (path, KEY)).encode())
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            head += self.recv(1)
        assert b'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n' in head, head

    def recv(self, n):
        out = b''
        while len(out) < n:
            part = self.sock.recv(n - len(out))
            if not part:
                break
            out += part
        return out

    def frame(self):
        """(opcode, payload) of the next one; all of ours are whole messages."""
        first, n = self.recv(2)
        assert first & 0xf0 == 0x80 and n < 128, (first, n)
        if n >= 126:
            n = int.from_bytes(self.recv(2 if n == 126 else 8), 'big')
        return first & 15, self.recv(n)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.sock.close()


def masked(first, payload=b'', size=None):
    n = len(payload) if size is None else size
    length = (bytes([0x80 | n]) if n < 126 else b'\xfe' + struct.pack('>H', n) if n < 65536
              else b'\xff' + struct.pack('>Q', n))
    mask = b'\x37\xfa\x21\x3d'
    return bytes([first]) + length + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


def close(code):
    return (8, struct.pack('>H', code))


FRAMES = (
    ('a close without a code', masked(0x88), [(8, b'')]),
    ('with one and a reason', masked(0x88, b'\x03\xe8bye'), [close(1000)]),
    ('with half of one', masked(0x88, b'\x03'), [close(1002)]),
    ('with one that is never sent', masked(0x88, b'\x03\xed'), [close(1002)]),
    ('with a reason that is no text', masked(0x88, b'\x03\xe8\xff'), [close(1007)]),
    ('frames behind it', masked(0x88) + masked(0x81, b'x'), [(8, b'')]),
    ('no mask', b'\x81\x01x', [close(1002)]),
    ('a reserved bit', masked(0xc1, b'x'), [close(1002)]),
    ('an unknown kind', masked(0x83, b'x'), [close(1002)]),
    ('an unknown control frame', masked(0x8b), [close(1002)]),
    ('a control frame in parts', masked(0x09, b'x'), [close(1002)]),
    ('a long control frame', masked(0x89, b'x' * 126), [close(1002)]),
    ('the end of nothing', masked(0x80, b'x'), [close(1002)]),
    ('a message in a message', masked(0x01, b'x') + masked(0x81, b'y'), [close(1002)]),
    ('a length in two bytes that needs one', b'\x82\xfe\x00\x7d' + bytes(4 + 125), [close(1002)]),
    ('in eight that needs two', b'\x82\xff' + struct.pack('>Q', 65535) + bytes(4), [close(1002)]),
    ('of 2^63', b'\x82\xff' + struct.pack('>Q', 1 << 63) + bytes(4), [close(1002)]),
    ('too much, told at once', masked(0x82, size=(4 << 20) + 1), [close(1009)]),
    ('too much, in parts', masked(0x02, bytes(4 << 20)) + masked(0x80, b'x'), [close(1009)]),
    ('no text', masked(0x81, b'\xc0\x80'), [close(1007)]),
    ('half a character', masked(0x81, b'\xe2\x82'), [close(1007)]),
    ('a character in two frames', masked(0x01, b'\xe2\x82') + masked(0x80, b'\xac') + masked(0x88),
     [(1, b'\xe2\x82\xac'), (8, b'')]),
    ('control frames inside a message', masked(0x01, b'a') + masked(0x89, b'?') + masked(0x8a) +
     masked(0x00, b'b') + masked(0x80, b'c') + masked(0x88), [(10, b'?'), (1, b'abc'), (8, b'')]),
    ('empty frames', masked(0x02) + masked(0x00) + masked(0x80) + masked(0x88),
     [(2, b''), (8, b'')]),
)


def frames():
    with httpd() as daemon:
        for name, sent, want in FRAMES:
            for whole in (True, False):
                if not whole and len(sent) > 1000:
                    continue
                with Raw(daemon) as raw:
                    for at in range(0, len(sent), len(sent) if whole else 1):
                        try:
                            raw.sock.sendall(sent[at:at + (len(sent) if whole else 1)])
                        except ConnectionError:
                            break
                        time.sleep(0 if whole else 0.0005)
                    got = [raw.frame() for _ in want]
                    assert got == want and raw.recv(1) == b'', (name, whole, got)
        with Raw(daemon) as raw:  # gone without a word
            raw.sock.shutdown(socket.SHUT_WR)
            assert raw.recv(1) == b''
        until(lambda: daemon.metric('keel_connections') == 0, 'all are gone')


def http2():
    """Tunnels on one connection of HTTP/2: silent beyond all timeouts, over a reload, to the end of a
    drain."""
    with httpd() as daemon:
        client = Client(daemon)
        websocket = {'protocol': 'websocket', 'extra': [('sec-websocket-version', '13')]}
        tunnels = [client.ask('/echo', **websocket) for _ in range(3)]

        def say(stream, text):
            before = len(client.data[stream])
            client.h2.send_data(stream, masked(0x81, text))
            client.flush()
            want = b'\x81' + bytes([len(text)]) + text
            client.wait(lambda: client.data[stream][before:] == want, 'an echo')
        client.wait(lambda: len(client.status) == 3, 'answers')
        assert set(client.status.values()) == {200}, client.status
        say(tunnels[0], b'first')
        time.sleep(4)  # the timeouts are 1s and 2s
        say(tunnels[0], b'still here')
        old = client.ask('/echo', protocol='websocket', extra=[('sec-websocket-version', '12')])
        other = client.ask('/x', protocol='websocket')
        client.wait(lambda: client.ended.issuperset((old, other)), 'the end of these')
        assert (client.status[old], client.status[other]) == (426, 405), client.status
        daemon.ctl('reload')
        client.wait(lambda: client.going, 'the word to go')
        time.sleep(2)
        for stream in tunnels:
            say(stream, b'in the old generation')
        client.h2.send_data(tunnels[0], masked(0x88))
        client.flush()
        client.wait(lambda: tunnels[0] in client.ended, 'the end of one')
        assert client.data[tunnels[0]].endswith(b'\x88\0')
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: 'stopping' in daemon.log(), 'it drains')
        say(tunnels[1], b'until the end')
        for stream in tunnels:
            client.h2.end_stream(stream)
        client.flush()
        client.wait(lambda: client.ended.issuperset(tunnels), 'the end of all')
        client.sock.close()
        daemon.process.wait(20)


def openings():
    head = 'GET /echo HTTP/1.1\r\nHost: a\r\n'
    asks = head + 'Connection: upgrade\r\nUpgrade: websocket\r\n'
    good = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n' % KEY
    with httpd() as daemon:
        for text, status in (
                (asks + good, b'101 '), (asks.replace('websocket', 'h2c, WebSocket') + good, b'101 '),
                (head + good, b'200 '), (asks, b'426 '), (asks + good.replace('13', '12'), b'426 '),
                (asks + good.replace(KEY, KEY[4:]), b'400 '), (asks + good.split('\n')[0] + '\n', b'400 '),
                (asks.replace('GET', 'POST') + good, b'405 '), (asks.replace('1.1', '1.0') + good, b'200 '),
                (asks + good + 'Content-Length: 1\r\n', b'200 ')):
            with socket.create_connection(daemon.address('tcp'), timeout=20) as s:
                s.sendall((text + '\r\n').encode())
                got = s.recv(65536)
                assert got.startswith(b'HTTP/1.1 ' + status), (text, got)
                assert b'426' not in got[:13] or b'Sec-WebSocket-Version: 13\r\n' in got, got
    said = check_conf('httpd', 'listen = { "127.0.0.1:0" }\nmodule "w" { file = "%s" }\nsite "a" { '
                      'location "/" { handler = "w" argument = "soon" } }'
                      % module(directory(), 'doc/examples/websocket_module'))
    assert said[0] == 2 and 'a time like 30s expected' in said[1], said


run(('a browser', browser),
    ('messages of all sizes', messages),
    ('a client that does not read', no_reader),
    ('reload and stop', leaving),
    ('silence', silence),
    ('frames that are wrong', frames),
    ('over HTTP/2', http2),
    ('openings', openings))
