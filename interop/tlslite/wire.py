"""One end of a connection on tlslite-ng that breaks the rules where it is told to.

tlslite-ng does the handshake as it always does. Before, after and in place of each message that it sends, at each change of its writing
keys, and between the steps of an established connection it asks its plan for something to do:

    plan = {"after:ClientHello": lambda peer: peer.send(peer.plain(ALERT, b"\\x02\\x28"))}

      before:NAME   after:NAME    around a message: ClientHello, ServerHello, ..., Finished, CCS
      instead:NAME                in its place; peer.message has its bytes, and the transcript has it as if it had been sent
      keys:N                      behind the N-th change of the writing keys
      established   data          behind the handshake, behind the first exchange of data
      closed                      behind the own close_notify
"""

import contextlib
import socket
import struct

from tlslite.api import TLSConnection
from tlslite.constants import ContentType, HandshakeType
from tlslite.errors import TLSAbruptCloseError, TLSAlert, TLSError, TLSRemoteAlert

CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

# Bounds a hang, nothing else.
PATIENCE = 15

NAMES = {
    HandshakeType.client_hello: "ClientHello",
    HandshakeType.server_hello: "ServerHello",
    HandshakeType.new_session_ticket: "NewSessionTicket",
    HandshakeType.encrypted_extensions: "EncryptedExtensions",
    HandshakeType.certificate: "Certificate",
    HandshakeType.server_key_exchange: "ServerKeyExchange",
    HandshakeType.certificate_request: "CertificateRequest",
    HandshakeType.server_hello_done: "ServerHelloDone",
    HandshakeType.certificate_verify: "CertificateVerify",
    HandshakeType.client_key_exchange: "ClientKeyExchange",
    HandshakeType.finished: "Finished",
}


class Stop(Exception):
    """Raised by a plan: nothing more is said; what the other side says is heard to its end."""


class Ended(Exception):
    """The other side has ended the connection; `Peer.heard` says how."""


class Heard:
    """What the other side did."""

    def __init__(self):
        self.alert = None
        self.alerts = []
        self.end = None
        self.data = bytearray()
        self.key_updates = 0
        self.trouble = None

    def __str__(self):
        words = [f"alert {self.alert}"] if self.alert is not None else []
        words += [f"end {self.end}"]
        if self.trouble:
            words.append(f"tlslite-ng: {self.trouble}")
        return ", ".join(words)


class Peer(TLSConnection):
    def __init__(self, sock, plan):
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock)
        self.raw = sock
        self.closeSocket = False
        self.plan = plan
        self.heard = Heard()
        self.message = b""
        self.sent = []
        self.key_changes = 0
        self.asked = set()
        self._pieces = bytearray()

    # What plans use.

    def send(self, *records):
        """Sends bytes as they are. A transport that takes nothing any more is no news: what was said before it is there to be read."""
        data = b"".join(bytes(record) for record in records)
        try:
            self.raw.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def plain(self, content_type, content, version=(3, 3)):
        """An unprotected record."""
        return struct.pack("!BBBH", content_type, *version, len(content)) + bytes(content)

    def seal(self, content_type, content, padding=0, version=(3, 3), outer=None):
        """A record under the current writing keys; unprotected if there are none."""
        layer = self._recordLayer
        if not layer._writeState.encContext:
            return self.plain(content_type, content, version)
        if self.version < (3, 4):
            sealed = layer._encryptThenSeal(bytearray(content), content_type)
            return self.plain(content_type, sealed, version)
        inner = bytearray(content) + bytearray([content_type]) + bytearray(padding)
        return self.plain(outer or DATA, layer._encryptThenSeal(inner, outer or DATA), version)

    def seal_inner(self, inner):
        """TLS 1.3: a record with this inner plaintext, its content type and padding included."""
        return self.plain(DATA, self._recordLayer._encryptThenSeal(bytearray(inner), DATA))

    def alert(self, level, description, **form):
        return self.seal(ALERT, bytes([level, description]), **form)

    def update_write_keys(self):
        session = self.session
        session.cl_app_secret, session.sr_app_secret = self._recordLayer.calcTLS1_3KeyUpdate_reciever(
            session.cipherSuite, session.cl_app_secret, session.sr_app_secret)

    def key_update(self, request=0):
        """A KeyUpdate; the next record is under the next keys."""
        record = self.seal(HANDSHAKE, bytes([24, 0, 0, 1, request]))
        self.update_write_keys()
        return record

    def fin(self):
        # The other side may have let go already.
        with contextlib.suppress(OSError):
            self.raw.shutdown(socket.SHUT_WR)
        raise Stop

    def reset(self):
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()
        self.heard.end = "reset by us"
        raise Ended

    # The conversation.

    def ask(self, point):
        """Lets the plan act at this point; True if it did."""
        action = self.plan.get(point)
        if action is None:
            return False
        self.asked.add(point)
        action(self)
        return True

    def shake(self, handshake):
        """Runs tlslite-ng's handshake; ends by `Ended` or `Stop` if that does not come to its end."""
        try:
            for _ in handshake:
                pass
        except TLSRemoteAlert as alert:
            self._note_alert(alert.level, alert.description)
            self.listen_raw()
        except TLSAbruptCloseError:
            self._over("eof")
        except socket.timeout:
            self._over("silent")
        except OSError:
            self.listen_raw()
        except (TLSAlert, TLSError, SyntaxError, AssertionError, ValueError) as error:
            self.heard.trouble = f"{type(error).__name__}: {error}"
            self.listen_raw()

    def receive(self, count):
        """Reads until there are `count` bytes of data more than at the last call."""
        while len(self.heard.data) < count:
            self._read_record()
        taken = bytes(self.heard.data[:count])
        del self.heard.data[:count]
        return taken

    def listen(self):
        """Reads to the other side's end."""
        while True:
            self._read_record()

    def listen_raw(self):
        """Reads to the end of the transport, whatever is said there."""
        try:
            while self.raw.recv(65536):
                pass
            self._over("eof")
        except socket.timeout:
            self._over("silent")
        except OSError:
            self._over("reset")

    def close_notify(self):
        self.send(self.alert(1, 0))

    def _over(self, end):
        self.heard.end = self.heard.end or end
        raise Ended

    def _note_alert(self, level, description):
        self.heard.alerts.append((level, description))
        # A warning that nobody needs to act on is not how it ends.
        if self.heard.alert is None and (level, description) != (1, 100):
            self.heard.alert = description

    def _read_record(self):
        try:
            for result in self._recordLayer.recvRecord():
                if result not in (0, 1):
                    break
        except TLSAbruptCloseError:
            self._over("eof")
        except socket.timeout:
            self._over("silent")
        except OSError:
            self._over("reset")
        except TLSError as error:
            self.heard.trouble = f"{type(error).__name__}: {error}"
            self.listen_raw()
        header, parser = result
        content = bytes(parser.bytes)
        if header.type == ALERT:
            self._note_alert(content[0], content[1] if len(content) > 1 else None)
        elif header.type == DATA:
            self.heard.data += content
        elif header.type == HANDSHAKE:
            self._read_messages(content)

    def _read_messages(self, content):
        self._pieces += content
        while len(self._pieces) >= 4:
            length = 4 + int.from_bytes(self._pieces[1:4], "big")
            if len(self._pieces) < length:
                return
            if self._pieces[0] == HandshakeType.key_update:
                self.heard.key_updates += 1
                session = self.session
                session.cl_app_secret, session.sr_app_secret = self._recordLayer.calcTLS1_3KeyUpdate_sender(
                    session.cipherSuite, session.cl_app_secret, session.sr_app_secret)
            del self._pieces[:length]

    # Where tlslite-ng sends.

    def _sendMsg(self, msg, randomizeFirstBlock=True, update_hashes=True):
        content = bytes(msg.write())
        content_type = msg.contentType
        if content_type == ContentType.handshake and update_hashes:
            self._handshake_hash.update(bytearray(content))
        if content_type in (ContentType.handshake, ContentType.change_cipher_spec):
            name = self._name(content_type, content)
            self.message = content
            self.ask(f"before:{name}")
            if not self.ask(f"instead:{name}"):
                self._send_message(content_type, content)
            self.ask(f"after:{name}")
        else:
            self._send_message(content_type, content)
        yield 0

    def _send_message(self, content_type, content):
        while True:
            piece, content = content[:16384], content[16384:]
            is_clear = content_type == ContentType.change_cipher_spec
            record = self.plain(CCS, piece) if is_clear else self.seal(content_type, piece)
            self.sent.append(record)
            self.send(record)
            if not content:
                return

    def _queue_message(self, msg):
        for _ in self._sendMsg(msg):
            pass

    def _queue_flush(self):
        yield 0

    def _changeWriteState(self):
        super()._changeWriteState()
        self.key_changes += 1
        self.ask(f"keys:{self.key_changes}")

    @staticmethod
    def _name(content_type, content):
        if content_type == ContentType.change_cipher_spec:
            return "CCS"
        if content[0] == HandshakeType.server_hello and content[6:38] == RETRY_RANDOM:
            return "HelloRetryRequest"
        return NAMES.get(content[0], f"message {content[0]}")
