"""A client of HTTP/2 that nobody here wrote, python3-h2, on one connection, step by step."""
import socket
import time

from keel import need_python_module, until


class Client:
    """python3-h2 on one connection."""

    def __init__(self, daemon):
        connection = need_python_module('h2.connection')
        config = need_python_module('h2.config').H2Configuration(header_encoding='utf-8')
        self.events = need_python_module('h2.events')
        self.sock = socket.create_connection(daemon.address('tcp'), timeout=20)
        self.h2 = connection.H2Connection(config)
        self.h2.initiate_connection()
        self.status, self.ended, self.reset = {}, set(), {}  # by stream
        self.body, self.data, self.left = {}, {}, {}  # size and first bytes of answers; still to send
        self.going = False  # GOAWAY came
        self.received = b''
        self.flush()
        until(lambda: self.turn() or self.h2.outbound_flow_control_window >= 0, 'settings')

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def ask(self, path, size=0, protocol=None, extra=()):
        """A GET, a POST of so many bytes, or an extended CONNECT (RFC 8441). Returns its stream."""
        stream = self.h2.get_next_available_stream_id()
        method = 'CONNECT' if protocol else 'POST' if size else 'GET'
        fields = [(':method', method), (':scheme', 'http'), (':authority', 'localhost'),
                  (':path', path)] + ([(':protocol', protocol)] if protocol else []) + list(extra)
        self.h2.send_headers(stream, fields, end_stream=not size and not protocol)
        self.body[stream], self.data[stream], self.left[stream] = 0, b'', size
        self.flush()
        return stream

    def send(self):
        """As much of the bodies as may be sent."""
        for stream, left in list(self.left.items()):
            while left and stream not in self.reset:
                n = min(left, self.h2.local_flow_control_window(stream), 16384)
                if n <= 0:
                    break
                self.h2.send_data(stream, bytes(n), end_stream=n == left)
                left -= n
            self.left[stream] = left
        self.flush()

    def turn(self):
        data = self.sock.recv(65536)
        assert data, 'the server closed'
        self.received += data
        while len(self.received) >= 9:
            size = 9 + int.from_bytes(self.received[:3], 'big')
            if len(self.received) < size:
                break
            frame, self.received = self.received[:size], self.received[size:]
            before = self.h2.state_machine.state
            self.take(self.h2.receive_data(frame))
            if frame[3] == 7:  # to python3-h2 GOAWAY is the end, also of what goes on
                self.h2.state_machine.state, self.going = before, True
        self.send()

    def take(self, events):
        e = self.events
        for event in events:
            if isinstance(event, e.ResponseReceived):
                self.status[event.stream_id] = int(dict(event.headers)[':status'])
            elif isinstance(event, e.DataReceived):
                self.body[event.stream_id] += len(event.data)
                self.data[event.stream_id] += event.data[:4096 - len(self.data[event.stream_id])]
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, e.StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, e.StreamReset):
                self.reset[event.stream_id] = event.error_code
                self.left[event.stream_id] = 0

    def wait(self, condition, what):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, what
            self.turn()
