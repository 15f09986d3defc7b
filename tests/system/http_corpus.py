"""The cases of tests/corpus/http, and what a client of them needs: a strict reader of responses of
HTTP/1.1 and a small client of HTTP/2 that sends whatever it is told. Used by test_httpd_corpus.py
and the other tests that look at httpd from the wire."""
import glob
import os
import re
import struct
import sys

from keel import SRCDIR, Skip

FOLDER = os.path.join(SRCDIR, 'tests', 'corpus', 'http')
ESCAPE = re.compile(rb'\\(x[0-9a-fA-F]{2}|.)')
REPEATED = re.compile(rb'\{(\d+)\*(.)\}')
PLAIN = {b'r': b'\r', b'n': b'\n', b't': b'\t', b'0': b'\0', b's': b' ', b'\\': b'\\', b'-': b''}


def unescape(text, **places):
    def one(match):
        code = match.group(1)
        if code[:1] == b'x' and len(code) == 3:
            return bytes([int(code[1:], 16)])
        assert code in PLAIN, 'no such escape: %r' % text
        return PLAIN[code]
    for name, value in places.items():
        text = text.replace(b'{%s}' % name.encode(), value)
    text = REPEATED.sub(lambda match: int(match.group(1)) * match.group(2), text)
    return ESCAPE.sub(one, text)


class Case:
    def __init__(self, name, place):
        self.name, self.place = name, place
        self.data = b''
        self.statuses, self.bodiless, self.end = [], [], None
        self.has, self.hasnot, self.fields, self.content = [], [], [], b''
        self.on = ('h1', 'tls')
        self.h2 = None

    def __str__(self):
        return '%s (%s)' % (self.name, self.place)

    def expect(self, words):
        *statuses, self.end = words
        assert self.end in ('keep', 'close', 'drop', 'wait'), self
        self.statuses = [int(word.rstrip('-')) for word in statuses]
        self.bodiless = [word.endswith('-') for word in statuses]

    def h2_fields(self):
        """The request in HTTP/2: its own fields, or those of the HTTP/1 form of it."""
        if self.fields:
            return self.fields, self.content
        head, _, content = self.data.partition(b'\r\n\r\n')
        lines = head.split(b'\r\n')
        method, target, _ = lines[0].split(b' ')
        fields, authority = [(b':method', method), (b':scheme', b'http'), (b':path', target)], []
        for line in lines[1:]:
            name, _, value = line.partition(b':')
            if name.lower() == b'host':
                authority.append((b':authority', value.strip()))
            else:
                fields.append((name.lower(), value.strip()))
        return fields[:3] + authority + fields[3:], content


def _line(case, kind, rest, places):
    if kind == b'>':
        case.data += unescape(rest, **places)
    elif kind.startswith(b'>*'):
        case.data += int(kind[2:]) * unescape(rest, **places)
    elif kind == b'=':
        case.expect(rest.decode().split())
    elif kind == b'has':
        case.has.append(unescape(rest, **places))
    elif kind == b'not':
        case.hasnot.append(unescape(rest, **places))
    elif kind == b'on':
        case.on = tuple(rest.decode().split())
    elif kind == b'h2':
        case.h2 = rest.decode().split()
    elif kind == b'f':
        name, value = rest.split(b' ', 1)
        case.fields.append((unescape(name), unescape(value, **places)))
    elif kind == b'd':
        case.content += unescape(rest)
    else:
        raise AssertionError('%s: what is %r?' % (case, kind))


def cases(**places):
    """Every case of every file."""
    found = []
    for path in sorted(glob.glob(FOLDER + '/*.txt')):
        with open(path, 'rb') as f:
            for number, line in enumerate(f, 1):
                line = line.rstrip(b'\n')
                if not line.strip() or line.startswith(b'#'):
                    continue
                kind, _, rest = line.partition(b' ')
                if kind == b'case':
                    found.append(Case(rest.decode(), '%s:%d' % (os.path.basename(path), number)))
                else:
                    _line(found[-1], kind, rest, places)
    names = [case.name for case in found]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)
    for case in found:
        assert case.end or case.h2, '%s expects nothing' % case
    return found


# ---- HTTP/1 ----------------------------------------------------------------------------------

class Reader:
    """Responses of HTTP/1.1 out of a socket, each checked for its form."""
    LINE = re.compile(rb'HTTP/1\.1 ([1-5]\d\d) [\x20-\x7e]*$')
    FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\t]*)$")

    def __init__(self, sock):
        self.sock, self.received = sock, b''
        self.ended = False

    def _more(self):
        """False when nothing comes any more."""
        if not self.ended:
            try:
                part = self.sock.recv(65536)
            except (ConnectionError, OSError) as error:
                if isinstance(error, TimeoutError):
                    raise AssertionError('silence; so far came %r' % self.received[:300])
                part = b''
            self.received += part
            self.ended = not part
        return not self.ended

    def response(self, bodiless=False):
        """(status, {field: value}, body), or None at the end."""
        while b'\r\n\r\n' not in self.received:
            if not self._more():
                assert not self.received, 'cut off: %r' % self.received[:300]
                return None
        head, _, self.received = self.received.partition(b'\r\n\r\n')
        lines = head.split(b'\r\n')
        match = self.LINE.match(lines[0])
        assert match, 'a status line: %r' % lines[0]
        status, fields = int(match.group(1)), {}
        for line in lines[1:]:
            field = self.FIELD.match(line)
            assert field, 'a field: %r' % line
            name = field.group(1).decode().lower()
            assert name not in fields or name in ('vary', 'set-cookie'), 'two of %r' % name
            fields[name] = field.group(2)
        assert status < 200 or 'date' in fields, 'no Date: %r' % head
        if bodiless or status < 200 or status in (204, 304):
            return status, fields, b''
        return status, fields, self._body(fields)

    def _body(self, fields):
        if fields.get('transfer-encoding') == b'chunked':
            body = b''
            while True:
                size = int(self._line(), 16)
                body += self._take(size)
                assert self._take(2) == b'\r\n'
                if size == 0:
                    return body
        assert 'content-length' in fields, 'neither length nor chunks: %r' % fields
        return self._take(int(fields['content-length']))

    def _line(self):
        while b'\r\n' not in self.received:
            assert self._more(), 'cut off in a chunk'
        line, _, self.received = self.received.partition(b'\r\n')
        return line

    def _take(self, size):
        while len(self.received) < size:
            assert self._more(), 'cut off: %d of %d bytes' % (len(self.received), size)
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def at_end(self):
        """The server closed, and said nothing more."""
        while self._more():
            pass
        assert not self.received, 'more than was asked for: %r' % self.received[:300]


# ---- HTTP/2 ----------------------------------------------------------------------------------

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = \
    0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + struct.pack('>BBI', kind, flags, stream) + payload


# Room for 1 GiB, in each stream and in all: SETTINGS_INITIAL_WINDOW_SIZE, and WINDOW_UPDATE.
WIDE = frame(SETTINGS, 0, 0, b'\0\4\x40\0\0\0') + frame(WINDOW_UPDATE, 0, 0, b'\x3f\xff\0\0')


def integer(prefix, bits, value):
    """RFC 7541, 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([prefix | value])
    out, value = bytes([prefix | most]), value - most
    while value >= 128:
        out, value = out + bytes([value % 128 + 128]), value // 128
    return out + bytes([value])


def block(fields):
    """Fields as literals that enter no table, without Huffman's code: nothing is checked."""
    return b''.join(b'\0' + integer(0, 7, len(name)) + name + integer(0, 7, len(value)) + value
                    for name, value in fields)


def request_frames(stream, fields, content=b'', size=16384):
    """A request: HEADERS, CONTINUATION as needed, DATA."""
    text = block(fields)
    parts = [text[i:i + size] for i in range(0, len(text), size)] or [b'']
    out = b''
    for i, part in enumerate(parts):
        flags = (END_HEADERS if i == len(parts) - 1 else 0) | (
            END_STREAM if i == 0 and not content else 0)
        out += frame(CONTINUATION if i else HEADERS, flags, stream, part)
    for i in range(0, len(content), size):
        out += frame(DATA, END_STREAM if i + size >= len(content) else 0, stream,
                     content[i:i + size])
    return out


def _decoder():
    # Debian's modules, also when another Python runs the tests
    if '/usr/lib/python3/dist-packages' not in sys.path:
        sys.path.append('/usr/lib/python3/dist-packages')
    try:
        import hpack
    except ImportError:
        raise Skip('needs python3-hpack')
    return hpack.Decoder()


class H2Reader:
    """What a server of HTTP/2 sends, by stream."""

    def __init__(self, sock):
        self.sock, self.received = sock, b''
        self.decoder = _decoder()
        self.heads, self.bodies, self.ended = {}, {}, set()
        self.resets, self.goaway, self.closed = {}, None, False
        self.kinds = {}

    def turn(self):
        """Reads once. False at the end."""
        try:
            part = self.sock.recv(262144)
        except TimeoutError:
            raise AssertionError('silence')
        except OSError:
            part = b''
        self.closed = not part
        self.received += part
        while len(self.received) >= 9:
            size = int.from_bytes(self.received[:3], 'big')
            if len(self.received) < 9 + size:
                break
            kind, flags, stream = struct.unpack('>BBI', self.received[3:9])
            payload, self.received = self.received[9:9 + size], self.received[9 + size:]
            self._frame(kind, flags, stream, payload)
        return not self.closed

    def _frame(self, kind, flags, stream, payload):
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == HEADERS:
            assert flags & END_HEADERS, 'a head in several frames'
            self.heads[stream] = [(str(n), str(v)) for n, v in self.decoder.decode(payload)]
        elif kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b'') + payload
        elif kind == RST_STREAM:
            self.resets[stream] = int.from_bytes(payload, 'big')
        elif kind == GOAWAY:
            self.goaway = struct.unpack('>II', payload[:8])
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.ended.add(stream)

    def outcome(self, stream):
        """The status, 'reset' or 'goaway': whatever came first."""
        while stream not in self.ended and stream not in self.resets:
            if not self.turn():
                assert self.goaway, 'the end without GOAWAY'
                return 'goaway'
            if self.goaway and self.goaway[1]:
                return 'goaway'
        if stream not in self.ended:
            return 'reset'
        return dict(self.heads[stream])[':status']
