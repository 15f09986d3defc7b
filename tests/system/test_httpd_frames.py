"""Frames of HTTP/2 in wrong places, of wrong sizes and with wrong values: RFC 9113 says for each whether
the stream or the connection ends, and with which error. In one piece and byte by byte."""
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import http_corpus as http  # noqa: E402
from http_corpus import CONTINUATION, DATA, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, \
    SETTINGS, WINDOW_UPDATE, block, frame, request_frames  # noqa: E402
from keel import Daemon, directory, run  # noqa: E402
from test_httpd import certificate  # noqa: E402
from test_httpd_corpus import connect, pieces, send  # noqa: E402

CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
header-timeout = 60s
site "localhost" {
  default     = true
  certificate = "cert.pem"
  key         = "key.pem"
  root        = "www"
}
'''
NO_ERROR, PROTOCOL, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
FIELDS = [(b':method', b'GET'), (b':scheme', b'http'), (b':path', b'/a.txt'), (b':authority', b'a')]
POST = [(b':method', b'POST')] + FIELDS[1:]
GET1 = request_frames(1, FIELDS)
GET3 = request_frames(3, FIELDS)
OPEN = frame(HEADERS, 4, 1, block(POST))           # content is to come
HEAD = block(FIELDS)
PUSH_PROMISE, PRIORITY_UPDATE = 5, 16


def goaway(*codes):
    return ('goaway', codes)


def reset(*codes):
    """The stream is; the connection serves on."""
    return ('reset', codes)


SERVED = ('200', ())    # stream 1, and then stream 101
ANSWERED = ('405', ())

# (section of RFC 9113, what, the frames behind the preface, what becomes of it). Where the RFC allows
# the wider error instead of the narrower one, and an answer may have left before, all are there. nghttp2
# reads over some faults that harm nobody: "served" beside "goaway" is its choice.
ROWS = (
    ('4.1', 'a frame of an unknown type', frame(0x77, 0xff, 0, b'hello') + GET1, SERVED),
    ('4.1', 'unknown flags', frame(PING, 0xfe, 0, b'12345678') + GET1, SERVED),
    ('4.1', 'the reserved bit of a stream', frame(HEADERS, 5, 0x80000001, HEAD), SERVED),
    ('4.2', 'a frame above the largest size', frame(DATA, 0, 1, bytes(16385)), goaway(SIZE, PROTOCOL)),
    ('4.2', 'a head above the largest size', frame(HEADERS, 5, 1, bytes(16385)), goaway(SIZE)),
    ('4.2', 'an unknown frame above the largest size', frame(0x77, 0, 0, bytes(16385)), goaway(SIZE)),
    ('4.3', 'a block that cannot be read', frame(HEADERS, 5, 1, b'\xff\xff\xff\xff\xff'),
     goaway(COMPRESSION)),
    ('4.3', 'an index beyond the table', frame(HEADERS, 5, 1, b'\xbf'), goaway(COMPRESSION)),
    ('4.3', 'the index 0', frame(HEADERS, 5, 1, b'\x80'), goaway(COMPRESSION)),
    ('4.3', 'a table larger than allowed', frame(HEADERS, 5, 1, b'\x3f\xe1\xff\x03' + HEAD),
     goaway(COMPRESSION)),
    ('4.3', 'a table size behind a field', frame(HEADERS, 5, 1, HEAD + b'\x20'), goaway(COMPRESSION)),
    ('4.3', 'a string of Huffman that ends wrong', frame(HEADERS, 5, 1, b'\x00\x01x\x81\x00'),
     goaway(COMPRESSION)),
    ('4.3', 'another frame within a block', frame(HEADERS, 1, 1, HEAD) + frame(PING, 0, 0, bytes(8)),
     goaway(PROTOCOL)),
    ('4.3', 'an unknown frame within a block', frame(HEADERS, 1, 1, HEAD) + frame(0x77, 0, 1),
     goaway(PROTOCOL)),
    ('4.3', 'another stream within a block', frame(HEADERS, 1, 1, HEAD) + frame(CONTINUATION, 4, 3),
     goaway(PROTOCOL)),
    ('5.1', 'DATA before HEADERS', frame(DATA, 1, 1, b'x'), goaway(PROTOCOL, CLOSED)),
    ('5.1', 'RST_STREAM before HEADERS', frame(RST_STREAM, 0, 1, bytes(4)), goaway(PROTOCOL)),
    ('5.1', 'WINDOW_UPDATE before HEADERS', frame(WINDOW_UPDATE, 0, 1, b'\0\0\0\1'), goaway(PROTOCOL)),
    ('5.1', 'CONTINUATION before HEADERS', frame(CONTINUATION, 4, 1, HEAD), goaway(PROTOCOL)),
    ('5.1', 'PRIORITY before HEADERS', frame(PRIORITY, 0, 1, b'\0\0\0\0\x10') + GET1, SERVED),
    ('5.1.1', 'an even stream', frame(HEADERS, 5, 2, HEAD), goaway(PROTOCOL)),
    ('5.1.1', 'a stream below the last', GET3 + GET1, ('goaway served', (PROTOCOL, CLOSED))),
    ('5.1.1', 'the largest stream', request_frames(0x7fffffff, FIELDS), ('served', ())),
    ('5.3.1', 'a stream that depends on itself', frame(HEADERS, 0x25, 1, b'\0\0\0\1\x10' + HEAD),
     ('200 reset goaway', (PROTOCOL,))),
    ('6.1', 'DATA of stream 0', frame(DATA, 0, 0, b'x'), goaway(PROTOCOL)),
    ('6.1', 'more padding than DATA', OPEN + frame(DATA, 9, 1, b'\x05abc'), goaway(PROTOCOL)),
    ('6.1', 'as much padding as DATA', OPEN + frame(DATA, 9, 1, b'\x03abc'), ANSWERED),
    ('6.1', 'padding without its length', OPEN + frame(DATA, 9, 1), goaway(PROTOCOL, SIZE)),
    ('6.1', 'padded content', OPEN + frame(DATA, 9, 1, b'\x02abcd'), ANSWERED),
    ('6.1', 'empty DATA', OPEN + frame(DATA, 0, 1) + frame(DATA, 1, 1), ANSWERED),
    ('6.2', 'HEADERS of stream 0', frame(HEADERS, 5, 0, HEAD), goaway(PROTOCOL)),
    ('6.2', 'more padding than HEADERS', frame(HEADERS, 13, 1, b'\xff' + HEAD), goaway(PROTOCOL)),
    ('6.2', 'a padded head', frame(HEADERS, 13, 1, b'\x03' + HEAD + bytes(3)), SERVED),
    ('6.2', 'a head with a priority', frame(HEADERS, 0x25, 1, b'\0\0\0\0\x10' + HEAD), SERVED),
    ('6.2', 'a head in pieces', frame(HEADERS, 1, 1, HEAD[:9]) + frame(CONTINUATION, 0, 1, HEAD[9:20])
     + frame(CONTINUATION, 4, 1, HEAD[20:]), SERVED),
    ('6.2', 'an empty head', frame(HEADERS, 5, 1), reset(PROTOCOL)),
    ('6.2', 'an empty CONTINUATION', frame(HEADERS, 1, 1, HEAD) + frame(CONTINUATION, 4, 1), SERVED),
    ('6.3', 'PRIORITY of stream 0', frame(PRIORITY, 0, 0, bytes(5)), ('goaway served', (PROTOCOL,))),
    ('6.3', 'PRIORITY of a wrong size', frame(PRIORITY, 0, 1, bytes(4)) + GET1,
     ('goaway reset 200', (SIZE,))),
    ('6.4', 'RST_STREAM of stream 0', frame(RST_STREAM, 0, 0, bytes(4)), goaway(PROTOCOL)),
    ('6.4', 'RST_STREAM of a wrong size', OPEN + frame(RST_STREAM, 0, 1, bytes(3)), goaway(SIZE)),
    ('6.4', 'RST_STREAM with an unknown error', OPEN + frame(RST_STREAM, 0, 1, b'\xff' * 4),
     ('served 405', ())),
    ('6.5', 'SETTINGS of a stream', frame(SETTINGS, 0, 1), goaway(PROTOCOL)),
    ('6.5', 'SETTINGS of a wrong size', frame(SETTINGS, 0, 0, bytes(5)), goaway(SIZE)),
    ('6.5', 'an acknowledgement with values', frame(SETTINGS, 1, 0, bytes(6)), goaway(SIZE)),
    ('6.5', 'an unknown setting', frame(SETTINGS, 0, 0, b'\x77\x77\1\2\3\4') + GET1, SERVED),
    ('6.5.2', 'a push that is neither on nor off', frame(SETTINGS, 0, 0, b'\0\2\0\0\0\2'),
     goaway(PROTOCOL)),
    ('6.5.2', 'a window that is too large', frame(SETTINGS, 0, 0, b'\0\4\x80\0\0\0'), goaway(FLOW)),
    ('6.5.2', 'frames that are too small', frame(SETTINGS, 0, 0, b'\0\5\0\0\x3f\xff'),
     goaway(PROTOCOL)),
    ('6.5.2', 'frames that are too large', frame(SETTINGS, 0, 0, b'\0\5\1\0\0\0'), goaway(PROTOCOL)),
    ('6.5.2', 'no table', frame(SETTINGS, 0, 0, b'\0\1\0\0\0\0') + GET1, SERVED),
    ('6.5.2', 'no list of fields', frame(SETTINGS, 0, 0, b'\0\6\0\0\0\0') + GET1,
     ('200 reset goaway', (INTERNAL, CANCEL, NO_ERROR))),
    ('6.6', 'PUSH_PROMISE of a client', frame(PUSH_PROMISE, 4, 1, b'\0\0\0\2' + HEAD),
     goaway(PROTOCOL)),
    ('6.7', 'PING of a stream', frame(PING, 0, 1, bytes(8)), goaway(PROTOCOL)),
    ('6.7', 'PING of a wrong size', frame(PING, 0, 0, bytes(7)), goaway(SIZE)),
    ('6.7', 'an acknowledgement of no PING', frame(PING, 1, 0, bytes(8)) + GET1, SERVED),
    ('6.8', 'GOAWAY of a stream', frame(GOAWAY, 0, 1, bytes(8)), goaway(PROTOCOL)),
    ('6.8', 'GOAWAY of a wrong size', frame(GOAWAY, 0, 0, bytes(7)), goaway(SIZE)),
    ('6.9', 'WINDOW_UPDATE of nothing', frame(WINDOW_UPDATE, 0, 0, bytes(4)), goaway(PROTOCOL)),
    ('6.9', 'WINDOW_UPDATE of nothing for a stream', OPEN + frame(WINDOW_UPDATE, 0, 1, bytes(4)),
     ('reset goaway', (PROTOCOL,))),
    ('6.9', 'WINDOW_UPDATE of a wrong size', frame(WINDOW_UPDATE, 0, 0, bytes(3)), goaway(SIZE)),
    ('6.9.1', 'a window beyond its size', frame(WINDOW_UPDATE, 0, 0, b'\x7f\xff\xff\xff'),
     goaway(FLOW)),
    ('6.9.1', 'a window of a stream beyond its size',
     OPEN + frame(WINDOW_UPDATE, 0, 1, b'\x7f\xff\xff\xff'), ('reset goaway', (FLOW,))),
    ('8.1', 'DATA behind the end', GET1 + frame(DATA, 0, 1, b'x'),
     ('200 reset goaway', (CLOSED, PROTOCOL))),
    ('8.1', 'HEADERS behind the end', GET1 + frame(HEADERS, 5, 1, HEAD),
     ('200 reset goaway', (CLOSED, PROTOCOL))),
    ('8.1', 'a trailer section', OPEN + frame(DATA, 0, 1, b'x')
     + frame(HEADERS, 5, 1, block([(b'x', b'y')])), ANSWERED),
    ('8.1', 'a trailer section that does not end it', OPEN + frame(HEADERS, 4, 1, block([(b'x', b'y')])),
     ('405 reset goaway', (PROTOCOL,))),
    ('8.1', 'a pseudo field in a trailer section', OPEN + frame(HEADERS, 5, 1, block(FIELDS[:1])),
     ('405 reset', (PROTOCOL,))),
    ('9218 7.1', 'PRIORITY_UPDATE', frame(PRIORITY_UPDATE, 0, 0, b'\0\0\0\1u=1, i') + GET1, SERVED),
    ('9218 7.1', 'PRIORITY_UPDATE of a stream', frame(PRIORITY_UPDATE, 0, 1, b'\0\0\0\1u=1'),
     goaway(PROTOCOL)),
    ('9218 7.1', 'PRIORITY_UPDATE that is too short', frame(PRIORITY_UPDATE, 0, 0, b'\0\0\0'),
     goaway(SIZE, PROTOCOL)),
    ('9218 7.1', 'PRIORITY_UPDATE of stream 0', frame(PRIORITY_UPDATE, 0, 0, b'\0\0\0\0u=1'),
     ('goaway served', (PROTOCOL,))),
)
# What stands in the place of the preface and of SETTINGS (3.4).
BEGINNINGS = (
    ('a wrong preface', b'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n' + frame(SETTINGS, 0, 0), False),
    ('PING instead of SETTINGS', http.PREFACE + frame(PING, 0, 0, bytes(8)), True),
    ('a request instead of SETTINGS', http.PREFACE + GET1, True),
    ('an acknowledgement instead of SETTINGS', http.PREFACE + frame(SETTINGS, 1, 0), True),
)


def outcome(sock):
    """('200' ...) or ('reset', code) or ('goaway', code), or 'served' when only another stream is."""
    reader = http.H2Reader(sock)
    probe = request_frames(101, FIELDS)
    send(sock, probe)
    while not ({1, 101} & reader.ended and 101 in reader.ended) and not reader.closed:
        if reader.goaway and reader.goaway[1]:
            return 'goaway', reader.goaway[1]
        if not reader.turn():
            break
    if reader.goaway:
        return 'goaway', reader.goaway[1]
    if 1 in reader.resets:
        return 'reset', reader.resets[1]
    if 1 in reader.ended:
        return dict(reader.heads[1])[':status'], 0
    return 'served' if 101 in reader.ended else 'closed', 0


def frames(transport):
    def check():
        folder = directory()
        certificate(folder)
        with Daemon('httpd', conf=CONF, listen=None, folder=folder,
                    files={'www/a.txt': '0123456789'}) as daemon:
            failures = []
            for section, what, data, (names, codes) in ROWS:
                for trickle in (False, True):
                    with connect(daemon, transport, 'h2') as sock:
                        for piece in pieces(http.PREFACE + frame(SETTINGS, 0, 0) + data, trickle):
                            send(sock, piece)
                        # the largest stream has no successor to ask on
                        if what == 'the largest stream':
                            reader = http.H2Reader(sock)
                            name, code = 'served' if reader.outcome(0x7fffffff) == '200' else '', 0
                        else:
                            name, code = outcome(sock)
                    if name not in names.split() or (name in ('reset', 'goaway')
                                                     and code not in codes):
                        failures.append('%s: %s%s: %s %d' % (section, what, ', byte by byte' if trickle
                                                             else '', name, code))
            for text in failures:
                print('# ' + text)
            print('# %d rows' % len(ROWS))
            assert not failures, '%d failures' % len(failures)
            assert daemon.children() and 'assertion' not in daemon.log(), daemon.log()
    return check


def beginnings():
    folder = directory()
    certificate(folder)
    with Daemon('httpd', conf=CONF, listen=None, folder=folder, files={'www/a.txt': 'a'}) as daemon:
        for what, data, speaks in BEGINNINGS:
            for transport in ('h1', 'tls'):
                with connect(daemon, transport, 'h2') as sock:
                    send(sock, data)
                    if speaks or transport == 'tls':
                        reader = http.H2Reader(sock)
                        while reader.turn():
                            pass
                        assert not reader.ended, what
                        assert reader.goaway is None or reader.goaway[1] == PROTOCOL, what
                    else:
                        assert http.Reader(sock).response()[0] == 505, what


if __name__ == '__main__':
    run(('frames', frames('h1')),
        ('frames in TLS', frames('tls')),
        ('beginnings', beginnings))
