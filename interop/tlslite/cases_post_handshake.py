"""What comes behind the handshake and is no data: KeyUpdates, tickets, attempts to renegotiate, messages out of place."""

from model import BOTH_ROLES, BOTH_VERSIONS, TLS12, TLS13, Case, closed, goes_on, refused
from wire import ALERT, DATA, HANDSHAKE

KEY_UPDATE = b"\x18\x00\x00\x01"
HELLO_REQUEST = b"\x00\x00\x00\x00"


def cases():
    for role in BOTH_ROLES:
        yield from key_updates(role)
        yield from out_of_place(role)
        yield from message_boundaries(role)
    yield from renegotiation()
    yield from tickets()
    yield from tickets_of_tls12()


def send_message(content):
    return lambda peer: peer.send(peer.seal(HANDSHAKE, content))


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def key_updates(role):
    many = lambda count, request: lambda peer: peer.send(*(peer.key_update(request) for _ in range(count)))
    yield Case("post/data KeyUpdate", role, TLS13, {"data": many(1, 0)}, goes_on(also=updates(0, 0)), "RFC 9846 4.7.3")
    yield Case("post/data KeyUpdate, an answer asked for", role, TLS13, {"data": many(1, 1)}, goes_on(also=updates(1, 1)),
               "RFC 9846 4.7.3: answered before the next data")
    bound = "BoringSSL's kMaxKeyUpdates: 32 without data"
    yield Case("post/data 32 KeyUpdates", role, TLS13, {"data": many(32, 0)}, goes_on(also=updates(0, 0)), bound)
    yield Case("post/data 33 KeyUpdates", role, TLS13, {"data": many(33, 0)}, refused(10), bound)
    yield Case("post/data 32 requests for KeyUpdates", role, TLS13, {"data": many(32, 1)}, goes_on(also=updates(1, 32)),
               "RFC 9846 4.7.3: requests that were not answered yet may have one answer")
    yield Case("post/data 33 requests for KeyUpdates", role, TLS13, {"data": many(33, 1)}, refused(10), bound)
    yield Case("post/data 100 KeyUpdates with data between them", role, TLS13, {"data": lambda peer: peer.send(
        *(record for _ in range(100) for record in (peer.key_update(0), peer.seal(DATA, b"x"))), peer.alert(1, 0))}, closed(), bound)
    yield Case("post/data 33 KeyUpdates with empty records between them", role, TLS13, {"data": lambda peer: peer.send(
        *(record for _ in range(33) for record in (peer.key_update(0), peer.seal(DATA, b""))))},
        refused(10), "an empty record is no data")
    for value in (2, 255):
        yield Case(f"post/data KeyUpdate of value {value}", role, TLS13, {"data": send_message(KEY_UPDATE + bytes([value]))},
                   refused(47), "RFC 9846 4.7.3: any other value is illegal_parameter")
    yield Case("post/data KeyUpdate without a value", role, TLS13, {"data": send_message(b"\x18\x00\x00\x00")}, refused(50),
               "RFC 9846 6.2: a length that cannot be is decode_error")
    yield Case("post/data KeyUpdate with a byte more", role, TLS13, {"data": send_message(b"\x18\x00\x00\x02\x00\x00")}, refused(50),
               "RFC 9846 6.2: a length that cannot be is decode_error")
    yield Case("post/data KeyUpdate and the front of another message", role, TLS13, {"data": send_message(KEY_UPDATE + b"\x00\x18")},
               refused(10), "RFC 9846 5.1: a message that changes keys ends its record")
    yield Case("post/data two KeyUpdates in a record", role, TLS13, {"data": send_message(2 * (KEY_UPDATE + b"\x00"))}, refused(10),
               "the same")
    yield Case("post/data KeyUpdate in two records", role, TLS13, {"data": in_two_records}, goes_on(),
               "RFC 9846 5.1: a message may be cut; the change comes behind its end")
    yield Case("post/data KeyUpdate, data under the old keys", role, TLS13, {"data": data_under_old_keys}, refused(20),
               "RFC 9846 4.7.3: behind it the next keys count")
    yield Case("post/data data under keys nobody announced", role, TLS13, {
        "data": lambda peer: (peer.update_write_keys(), peer.send(peer.seal(DATA, b"x")))}, refused(20), "the same")
    yield Case("post/before:Finished KeyUpdate", role, TLS13, {"before:Finished": send_message(KEY_UPDATE + b"\x00")}, refused(10),
               "RFC 9846 4.7.3: one before Finished is unexpected_message")
    yield Case("post/data KeyUpdate", role, TLS12, {"data": send_message(KEY_UPDATE + b"\x00")}, refused(10),
               "RFC 5246 7.4: there is no such message")
    yield Case("post/data KeyUpdates past a request of either side", role, TLS13, {
        "established": many(16, 1), "data": many(16, 0)}, goes_on(also=updates(1, 16)), bound)


def updates(least, most):
    def check(peer, report):
        if not least <= peer.heard.key_updates <= most:
            return f"{peer.heard.key_updates} KeyUpdates came back, not {least} to {most}"
        return None
    return check


def in_two_records(peer):
    peer.send(peer.seal(HANDSHAKE, KEY_UPDATE[:2]), peer.seal(HANDSHAKE, KEY_UPDATE[2:] + b"\x00"))
    peer.update_write_keys()


def data_under_old_keys(peer):
    peer.send(peer.seal(HANDSHAKE, KEY_UPDATE + b"\x00"), peer.seal(DATA, b"old"))


def out_of_place(role):
    """Every other handshake message on an established connection is unexpected (RFC 9846 section 4.7, RFC 5246 section 7.4)."""
    for version in BOTH_VERSIONS:
        for kind, name in [(0, "HelloRequest"), (1, "ClientHello"), (2, "ServerHello"), (4, "NewSessionTicket"), (5, "EndOfEarlyData"),
                           (8, "EncryptedExtensions"), (11, "Certificate"), (12, "ServerKeyExchange"), (13, "CertificateRequest"),
                           (14, "ServerHelloDone"), (15, "CertificateVerify"), (16, "ClientKeyExchange"), (20, "Finished"),
                           (67, "NextProtocol"), (254, "message_hash"), (255, "unknown")]:
            if (version, role, kind) in [(TLS12, "server", 0), (TLS12, "client", 1), (TLS13, "server", 4)]:
                continue
            yield Case(f"post/data {name}", role, version, {"data": send_message(message(kind, bytes(8)))}, refused(10),
                       "RFC 9846 4, 4.7; RFC 5246 7.4: unexpected_message")


def message_boundaries(role):
    for version in BOTH_VERSIONS:
        interrupted = "RFC 9846 5.1: nothing comes between the pieces of a handshake message"
        yield Case("post/data data between pieces of a message", role, version, {
            "data": lambda peer: peer.send(peer.seal(HANDSHAKE, KEY_UPDATE[:2]), peer.seal(DATA, b"x"))}, refused(10), interrupted)
        yield Case("post/data warning between pieces of a message", role, version, {
            "data": lambda peer: peer.send(peer.seal(HANDSHAKE, KEY_UPDATE[:2]), peer.alert(1, 90))}, refused(10), interrupted)
        yield Case("post/data message over the size limit", role, version, {
            "data": send_message(b"\x04\xff\xff\xff")}, refused(50),
            "a bound of ours, 65535 bytes, and the engine's: told by its header, nothing is kept for it",
            accepted="no document has a limit or an alert for it; BoringSSL and OpenSSL say illegal_parameter")
        yield Case("post/data message that never ends", role, version, {
            "data": lambda peer: (peer.send(peer.seal(HANDSHAKE, b"\x04\x00\xff\xff" + bytes(1000))), peer.send(peer.alert(1, 0)))},
            refused(10), interrupted)


def renegotiation():
    """Refused here, in the words of RFC 5246 section 7.2.2: a warning, and the connection lives on. 32 in a row, as of KeyUpdates."""
    hello = message(1, b"\x03\x03" + bytes(32) + b"\x00\x00\x02\xc0\x2b\x01\x00")
    for role, request in (("client", hello), ("server", HELLO_REQUEST)):
        why = "RFC 5246 7.2.2, 7.4.1.1: whoever does not want to renegotiate says no_renegotiation, and the connection goes on"
        yield Case("post/data request to renegotiate", role, TLS12, {"data": send_message(request)}, goes_on(also=declined), why)
        flood = lambda count, request=request: lambda peer: peer.send(*(peer.seal(HANDSHAKE, request) for _ in range(count)))
        yield Case("post/data 32 requests to renegotiate", role, TLS12, {"data": flood(32)}, goes_on(), "a bound of ours: 32 without data")
        yield Case("post/data 33 requests to renegotiate", role, TLS12, {"data": flood(33)}, refused(10), "a bound of ours: 32 without data")
    yield Case("post/data HelloRequest with a body", "server", TLS12, {"data": send_message(message(0, b"\x00"))}, refused(50),
               "RFC 5246 7.4.1.1: it is empty")
    yield Case("post/data 32 requests in one record", "server", TLS12, {"data": send_message(32 * HELLO_REQUEST)}, goes_on(), "32 without data")
    yield Case("post/data 33 requests in one record", "server", TLS12, {"data": send_message(33 * HELLO_REQUEST)}, refused(10), "32 without data")
    for before in ("Certificate", "ServerKeyExchange", "ServerHelloDone"):
        yield Case(f"post/before:{before} HelloRequest", "server", TLS12, {f"before:{before}": send_message(HELLO_REQUEST)}, refused(10),
                   "RFC 5246 7.4.1.1: a client ignores it while it negotiates",
                   accepted="the engine's; no server asks for another handshake before the first is done, and nothing is lost by saying so")


def declined(peer, report):
    return None if (1, 100) in peer.heard.alerts else "no no_renegotiation came"


def ticket(lifetime=7200, nonce=b"\x00", opaque=bytes(64), extensions=b""):
    return message(4, lifetime.to_bytes(4, "big") + bytes(4) + bytes([len(nonce)]) + nonce
                   + len(opaque).to_bytes(2, "big") + opaque + len(extensions).to_bytes(2, "big") + extensions)


def tickets():
    """TLS 1.3 (RFC 9846 section 4.7.1)."""
    case = lambda name, content, expect, why, **more: Case(f"post/data {name}", "server", TLS13, {"data": content}, expect, why, **more)
    many = lambda count: lambda peer: peer.send(*(peer.seal(HANDSHAKE, ticket(nonce=at.to_bytes(2, "big"))) for at in range(count)))
    yield case("ticket", send_message(ticket()), goes_on(), "RFC 9846 4.7.1: at any time behind the handshake")
    yield case("500 tickets", many(500), goes_on(), "RFC 9846 4.7.1 has no limit: the oldest go",
               accepted="each costs the server a record as well, and what is kept is bounded")
    yield case("ticket of 60000 bytes", lambda peer: peer.send(
        *(peer.seal(HANDSHAKE, piece) for piece in chunks(ticket(opaque=bytes(60000)), 16384))), goes_on(), "RFC 9846 4.7.1: up to 2^16 - 1")
    yield case("ticket of 65535 bytes", lambda peer: peer.send(
        *(peer.seal(HANDSHAKE, piece) for piece in chunks(ticket(opaque=bytes(65535)), 16384))), refused(50),
        "longer than the longest message that is put together, 65535 bytes with its other fields",
        accepted="a ticket that no ClientHello could carry back: its identity and the binders have 65535 bytes together")
    yield case("ticket without a nonce", send_message(ticket(nonce=b"")), goes_on(), "RFC 9846 4.7.1: 0 to 255 bytes")
    yield case("ticket with a lifetime of 0", send_message(ticket(lifetime=0)), goes_on(), "RFC 9846 4.7.1: to be thrown away at once")
    yield case("ticket with a lifetime of 2^32 - 1", send_message(ticket(lifetime=2**32 - 1)), goes_on(),
               "RFC 9846 4.7.1: servers do not, clients keep none longer than a week")
    yield case("ticket of no bytes", send_message(ticket(opaque=b"")), refused(50), "RFC 9846 4.7.1: 1 byte at least")
    yield case("ticket with unknown extension", send_message(ticket(extensions=b"\xfa\xfa\x00\x01\x00")), goes_on(),
               "RFC 9846 4.7.1: clients ignore those they do not know")
    yield case("ticket cut short", send_message(message(4, ticket()[4:-10])), refused(50), "RFC 9846 6.2: decode_error")
    yield case("ticket with bytes behind it", send_message(message(4, ticket()[4:] + b"\x00")), refused(50), "RFC 9846 6.2: decode_error")
    yield case("ticket with too long a vector", send_message(message(4, ticket()[4:12] + b"\xff")), refused(50), "RFC 9846 6.2: decode_error")
    yield case("empty ticket message", send_message(message(4, b"")), refused(50), "RFC 9846 6.2: decode_error")
    yield case("two tickets in a record", send_message(ticket() + ticket(nonce=b"\x01")), goes_on(), "RFC 9846 5.1: messages may share records")
    yield case("ticket and the front of the next, then data", lambda peer: peer.send(
        peer.seal(HANDSHAKE, ticket() + b"\x04\x00"), peer.seal(DATA, b"x")), refused(10), "RFC 9846 5.1: nothing comes between the pieces")
    yield case("ticket byte by byte", lambda peer: peer.send(*(peer.seal(HANDSHAKE, bytes([byte])) for byte in ticket())), goes_on(),
               "RFC 9846 5.1: a message may be cut")


def tickets_of_tls12():
    """RFC 5077: between ServerHelloDone's answer and ChangeCipherSpec, as announced in the ServerHello."""
    announced = {"ticketKeys": [bytearray(32)], "ticket_count": 1}
    case = lambda name, content, expect, why: Case(f"post/instead:NewSessionTicket {name}", "server", TLS12, {
        "instead:NewSessionTicket": lambda peer: peer.send(*(peer.seal(HANDSHAKE, piece) for piece in chunks(content(peer), 16384)))},
        expect, why, settings=announced)
    body = lambda opaque: message(4, bytes(4) + len(opaque).to_bytes(2, "big") + opaque)
    # What is another message than tlslite-ng's own makes other Finished messages, so the transcript has to differ to be refused earlier.
    yield case("as it is", lambda peer: peer.message, goes_on(), "RFC 5077 3.3")
    yield case("cut short", lambda peer: message(4, peer.message[4:-1]), refused(50), "RFC 5246 7.2.2: decode_error")
    yield case("with a byte more", lambda peer: message(4, peer.message[4:] + b"\x00"), refused(50), "RFC 5246 7.2.2: decode_error")
    yield case("without a body", lambda peer: message(4, b""), refused(50), "RFC 5246 7.2.2: decode_error")
    yield case("over the size limit", lambda peer: b"\x04\xff\xff\xff", refused(50), "a bound of the engine, told by the header")
    yield case("twice", lambda peer: 2 * peer.message, refused(10), "RFC 5077 3.3: one")
    yield case("another one", lambda peer: body(bytes(40)), refused(51), "RFC 5077 3.3: it is in the transcript, Finished does not verify")
    yield Case("post/instead:NewSessionTicket left out", "server", TLS12, {"instead:NewSessionTicket": lambda peer: None}, refused(10),
               "RFC 5077 3.2: who announced one sends one", settings=announced)


def chunks(content, length):
    return [content[at:at + length] for at in range(0, len(content), length)]
