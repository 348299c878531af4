"""One end of TLS connections on the OpenSSL of the `cryptography` wheel. Options, steps and lines: README.md."""

import hashlib
import select
import socket
import struct
import sys

from OpenSSL import SSL
# pyOpenSSL wraps neither the choice of groups nor the count of resumptions.
from OpenSSL._util import ffi, lib

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
VERIFY = {
    "none": SSL.VERIFY_NONE,
    "request": SSL.VERIFY_PEER,
    "require": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}
# SSL_AD_REASON_OFFSET's errors have only texts here; these are the ones the tests meet.
ALERTS = {
    "bad record mac": 20, "handshake failure": 40, "bad certificate": 42, "certificate unknown": 46,
    "illegal parameter": 47, "unknown ca": 48, "protocol version": 70, "internal error": 80,
    "certificate required": 116,
}


def main():
    role, arguments = sys.argv[1], sys.argv[2:]
    split = arguments.index("--")
    options = dict(option.split("=", 1) for option in arguments[:split])
    steps = [step.split(":") for step in arguments[split + 1:]]
    server = role == "server"
    context = make_context(server, options)
    if server:
        listener = socket.create_server(("127.0.0.1", 0))
        say(f"ready {listener.getsockname()[1]}")
    session = None
    for _ in range(int(options.get("times", "1"))):
        if server:
            stream, _address = listener.accept()
        else:
            stream = socket.create_connection(("127.0.0.1", int(options["port"])))
            say("connected")
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(context, stream, server, options.get("name", "server.test"), session)
        for step, *values in steps:
            try:
                getattr(peer, "do_" + step)(*values)
            except (SSL.Error, OSError) as error:
                say(f"error {step} end={end_of(error)}")
                sys.exit(1)
        session = peer.connection.get_session()
        stream.close()
        say("done")


def make_context(server, options):
    context = SSL.Context(SSL.TLS_SERVER_METHOD if server else SSL.TLS_CLIENT_METHOD)
    if "min" in options:
        context.set_min_proto_version(VERSIONS[options["min"]])
    if "max" in options:
        context.set_max_proto_version(VERSIONS[options["max"]])
    if "ciphers" in options:
        context.set_cipher_list(options["ciphers"].encode())
    if "suites" in options:
        context.set_tls13_ciphersuites(options["suites"].encode())
    if "groups" in options and lib.SSL_CTX_set1_curves_list(context._context, options["groups"].encode()) != 1:
        sys.exit("this OpenSSL has not all of " + options["groups"])
    for suffix in ("", "2"):
        if "cert" + suffix in options:
            context.use_certificate_chain_file(options["cert" + suffix])
            context.use_privatekey_file(options["key" + suffix])
    if "ca" in options:
        context.load_verify_locations(options["ca"])
    context.set_verify(VERIFY[options.get("verify", "none" if server else "require")], None)
    if options.get("tickets") == "off":
        context.set_options(SSL.OP_NO_TICKET)
    context.set_session_id(b"peer")
    context.set_mode(lib.SSL_MODE_ENABLE_PARTIAL_WRITE | lib.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)
    return context


class Peer:
    def __init__(self, context, stream, server, name, session):
        self.stream = stream
        self.connection = SSL.Connection(context, stream)
        if server:
            self.connection.set_accept_state()
        else:
            self.connection.set_connect_state()
            self.connection.set_tlsext_host_name(name.encode())
            if session:
                self.connection.set_session(session)

    def do_handshake(self):
        connection = self.connection
        connection.do_handshake()
        certificate = connection.get_peer_certificate(as_cryptography=True)
        name = certificate.subject.rfc4514_string().removeprefix("CN=") if certificate else "-"
        cipher = lib.SSL_get_current_cipher(connection._ssl)
        say(
            f"handshake version={connection.get_protocol_version_name()}"
            f" cipher={ffi.string(lib.SSL_CIPHER_get_name(cipher)).decode()}"
            f" group={connection.get_group_name()}"
            f" reused={int(lib.SSL_session_reused(connection._ssl))} peer={name}"
        )

    def do_send(self, path):
        self.transfer(read_file(path), 0)

    def do_recv(self, count):
        self.transfer(b"", int(count))

    def do_read(self):
        self.transfer(b"", None)

    def do_both(self, path, count):
        self.transfer(read_file(path), int(count))

    def transfer(self, data, wanted):
        """Sends `data` and reads `wanted` bytes, or to the end, at once."""
        self.stream.setblocking(False)
        view, digest, sent, received, end = memoryview(data), hashlib.sha256(), 0, 0, "open"
        while sent < len(view) or wanted is None or received < wanted:
            wants = set()
            if sent < len(view):
                try:
                    sent += self.connection.send(view[sent:sent + (1 << 16)])
                    wants.add("moved")
                except SSL.WantReadError:
                    wants.add("read")
                except SSL.WantWriteError:
                    wants.add("write")
            if wanted is None or received < wanted:
                try:
                    rest = 1 << 16 if wanted is None else min(1 << 16, wanted - received)
                    piece = self.connection.recv(rest)
                    digest.update(piece)
                    received += len(piece)
                    wants.add("moved")
                except SSL.WantReadError:
                    wants.add("read")
                except SSL.WantWriteError:
                    wants.add("write")
                except (SSL.Error, OSError) as error:
                    if wanted is not None:
                        raise
                    end = end_of(error)
                    break
            if "moved" not in wants:
                select.select([self.stream] if "read" in wants else [], [self.stream] if "write" in wants else [], [])
        self.stream.setblocking(True)
        if wanted == 0:
            say(f"sent bytes={sent}")
        else:
            say(f"received bytes={received} sha256={digest.hexdigest()} end={end}")

    def do_shutdown(self):
        self.connection.shutdown()
        say("shutdown")

    def do_fin(self):
        self.stream.shutdown(socket.SHUT_WR)
        say("fin")

    def do_close(self):
        self.stream.close()
        say("close")

    def do_reset(self):
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.close()
        say("reset")

    def do_hold(self):
        say("holding")
        sys.stdin.read()


def end_of(error):
    if isinstance(error, SSL.ZeroReturnError):
        return "close_notify"
    if isinstance(error, ConnectionResetError) or (isinstance(error, SSL.SysCallError) and error.args[0] in (32, 104)):
        return "reset"
    if isinstance(error, SSL.SysCallError) and error.args[0] == -1:
        return "eof"
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        reason = error.args[0][0][2]
        if "unexpected eof" in reason:
            return "eof"
        number = ALERTS.get(reason.split("alert ", 1)[1]) if "alert " in reason else None
        return f"alert:{number}" if number else "error:" + reason.replace(" ", "_")
    return "error:" + repr(error).replace(" ", "_")


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def say(line):
    print(line, flush=True)


main()
