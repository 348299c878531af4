"""How a connection is closed, and how its transport ends."""

from model import (ANY, BOTH_ROLES, BOTH_VERSIONS, TLS12, TLS13, Case, Expectation, closed, goes_on, refused, reset, truncated)
from wire import ALERT, DATA, HANDSHAKE, Stop

# Where the transport is ended: after each message and between the steps of a connection.
ENDS = {
    ("client", TLS12): ["before:ClientHello", "after:ClientHello", "after:ClientKeyExchange", "after:CCS", "after:Finished",
                        "established", "data"],
    ("client", TLS13): ["before:ClientHello", "after:ClientHello", "after:CCS", "after:Finished", "established", "data"],
    ("server", TLS12): ["before:ServerHello", "after:ServerHello", "after:Certificate", "after:ServerKeyExchange",
                        "after:ServerHelloDone", "after:CCS", "after:Finished", "established", "data"],
    ("server", TLS13): ["before:ServerHello", "after:ServerHello", "after:CCS", "after:EncryptedExtensions", "after:Certificate",
                        "after:CertificateVerify", "after:Finished", "established", "data"],
}

CLOSE = b"\x01\x00"
TRUNCATION = "RFC 9846 6.1: without a close_notify nobody knows that everything came"


def cases():
    for role in BOTH_ROLES:
        for version in BOTH_VERSIONS:
            yield from transport_ends(role, version)
            yield from close_notify(role, version)


def transport_ends(role, version):
    for point in ENDS[role, version]:
        # Between a message and the change of keys behind it there is no time for an alert.
        at = {"after:CCS": "keys:1", "after:Finished": "keys:2"}.get(point, point)
        if at == "keys:2" and version == TLS12:
            at = point
        yield Case(f"closing/{at} close_notify, then FIN", role, version, {at: lambda peer: (close(peer), peer.fin())},
                   closed(answer=ANY), "RFC 9846 6.1")
        yield Case(f"closing/{point} FIN", role, version, {point: lambda peer: peer.fin()}, truncated(), TRUNCATION)
        yield Case(f"closing/{point} FIN inside a record", role, version, {point: half_a_record}, truncated(inside_record=True), TRUNCATION)
        yield Case(f"closing/{point} FIN inside a header", role, version, {point: half_a_header}, truncated(inside_record=True), TRUNCATION)
        yield Case(f"closing/{point} RST", role, version, {point: lambda peer: peer.reset()}, reset(),
                   "RFC 9293 3.10.7.4: what had not been read is gone, so this is no end in order")
    yield Case("closing/closed RST", role, version, {"closed": lambda peer: (heard_close(peer), peer.reset())},
               closed(answer=ANY), "RFC 9846 6.1: the close was complete before")


def close_notify(role, version):
    behind = "RFC 9846 6.1, RFC 5246 7.2.1: what comes behind a close_notify is ignored"
    for name, action in [
        ("twice", lambda peer: close(peer)),
        ("data behind", lambda peer: peer.send(peer.seal(DATA, b"too late"))),
        ("data behind, FIN", lambda peer: (peer.send(peer.seal(DATA, b"too late")), peer.fin())),
        ("handshake behind", lambda peer: peer.send(peer.seal(HANDSHAKE, b"\x00\x00\x00\x00"))),
        ("garbage behind", lambda peer: peer.send(b"GET / HTTP/1.1\r\n\r\n")),
        ("forged record behind", lambda peer: peer.send(peer.plain(DATA, bytes(64)))),
        ("half a record behind", lambda peer: (peer.send(peer.seal(DATA, bytes(64))[:20]), peer.fin())),
        ("oversized record behind", lambda peer: peer.send(b"\x17\x03\x03\xff\xff" + bytes(70000))),
    ]:
        yield Case(f"closing/closed {name}", role, version, {"closed": action}, goes_on(), behind)
    if version == TLS13:
        yield Case("closing/closed KeyUpdate, data behind", role, version, {
            "closed": lambda peer: peer.send(peer.key_update(1), peer.seal(DATA, b"x"))}, goes_on(), behind)

    yield Case("closing/data close_notify byte by byte", role, version, {"data": byte_by_byte(lambda peer: peer.alert(1, 0))}, closed(),
               "RFC 9846 5.1: a record is what counts, not how TCP delivers it")
    yield Case("closing/data close_notify in two records", role, version, {
        "data": lambda peer: peer.send(peer.seal(ALERT, b"\x01"), peer.seal(ALERT, b"\x00"))}, refused(50),
        "RFC 9846 5.1: alerts are not cut into pieces. RFC 5246 6.2.1 does not forbid it, BoringSSL and OpenSSL do")
    yield Case("closing/data data and close_notify at once", role, version, {
        "data": lambda peer: peer.send(peer.seal(DATA, b"last"), peer.alert(1, 0))}, closed(also=delivered(b"last")),
        "RFC 9846 6.1: what came before is delivered")
    yield Case("closing/data many records and close_notify at once", role, version, {
        "data": lambda peer: peer.send(*(peer.seal(DATA, b"x") for _ in range(200)), peer.alert(1, 0))},
        closed(also=delivered(200 * b"x")), "RFC 9846 6.1: what came before is delivered")
    yield Case("closing/data close_notify in the clear", role, version, {
        "data": lambda peer: peer.send(peer.plain(ALERT, CLOSE))}, refused(10 if version == TLS13 else 20),
        "anybody can write it. RFC 9846 5: an unexpected record type; RFC 5246 6.2.3.3: it does not open")
    yield Case("closing/data close_notify, changed on the way", role, version, {
        "data": lambda peer: peer.send(flipped(peer.alert(1, 0)))}, refused(20), "RFC 9846 5.2: bad_record_mac")
    yield Case("closing/data close_notify overtakes data", role, version, {"data": overtaking}, refused(20),
               "RFC 9846 5.3: the sequence number is in the nonce, so the order is authenticated")
    yield Case("closing/data close_notify with the wrong outer type", role, version, {
        "data": lambda peer: peer.send(with_type(peer.alert(1, 0), HANDSHAKE))}, refused(10 if version == TLS13 else 20),
        "RFC 9846 5.2: the outer type is application data, anything else is unexpected; RFC 5246 authenticates it")
    yield Case("closing/data user_canceled, close_notify", role, version, {
        "data": lambda peer: peer.send(peer.alert(1, 90), peer.alert(1, 0))}, closed(), "RFC 9846 6.1")
    yield Case("closing/data close_notify between pieces of a message", role, version, {
        "data": lambda peer: peer.send(peer.seal(HANDSHAKE, b"\x18\x00"), peer.alert(1, 0))}, refused(10),
        "RFC 9846 5.1: nothing comes between the pieces of a handshake message")
    if version == TLS13:
        for padding in (1, 100, 16381):
            yield Case(f"closing/data close_notify with {padding} bytes of padding", role, version, {
                "data": lambda peer, padding=padding: peer.send(peer.alert(1, 0, padding=padding))}, closed(),
                "RFC 9846 5.4: padding may go with any record")
        yield Case("closing/data close_notify behind a KeyUpdate", role, version, {
            "data": lambda peer: peer.send(peer.key_update(0), peer.alert(1, 0))}, closed(), "RFC 9846 4.7.3")
        yield Case("closing/data close_notify behind a request for a KeyUpdate", role, version, {
            "data": lambda peer: peer.send(peer.key_update(1), peer.alert(1, 0))}, closed(), "RFC 9846 4.7.3")
        yield Case("closing/data close_notify under the keys before a KeyUpdate", role, version, {"data": under_old_keys}, refused(20),
                   "RFC 9846 4.7.3: behind a KeyUpdate the next keys count")


def close(peer):
    peer.send(peer.alert(1, 0))


def heard_close(peer):
    """Until the other side's close_notify is there: what a reset could destroy has been read by then."""
    if not peer._client:
        return
    while peer.heard.alert is None:
        peer._read_record()


def half_a_record(peer):
    peer.send(peer.seal(DATA if peer.session else HANDSHAKE, bytes(40))[:30])
    peer.fin()


def half_a_header(peer):
    peer.send(peer.seal(DATA if peer.session else HANDSHAKE, bytes(40))[:3])
    peer.fin()


def byte_by_byte(record):
    """Each byte in a segment of its own: TCP_NODELAY is on."""
    def action(peer):
        for byte in record(peer):
            peer.send(bytes([byte]))
    return action


def delivered(data):
    """The program has got this behind the first exchange; an echo has sent it back."""
    def check(peer, report):
        if report["bytes_received"] != len(b"ping1") + len(data):
            return f"{report['bytes_received']} bytes received"
        return None
    return check


def flipped(record, at=-1):
    record = bytearray(record)
    record[at] ^= 1
    return bytes(record)


def with_type(record, content_type):
    return bytes([content_type]) + record[1:]


def overtaking(peer):
    data, end = peer.seal(DATA, b"first"), peer.alert(1, 0)
    peer.send(end, data)


def under_old_keys(peer):
    layer = peer._recordLayer
    end_state = layer._writeState
    update = peer.key_update(0)
    new_state, layer._writeState = layer._writeState, end_state
    late = peer.alert(1, 0)
    layer._writeState = new_state
    peer.send(update, late)
