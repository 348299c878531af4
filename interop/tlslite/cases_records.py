"""Records: their boundaries, types, versions, sizes, order and integrity."""

import struct

from model import BOTH_ROLES, BOTH_VERSIONS, MESSAGES, TLS12, TLS13, Case, closed, goes_on, refused
from wire import CCS, DATA, HANDSHAKE
from cases_closing import delivered, flipped, with_type

MAX = 1 << 14


def cases():
    for role in BOTH_ROLES:
        for version in BOTH_VERSIONS:
            yield from in_handshake(role, version)
            yield from established(role, version)
            yield from sizes(role, version)
            yield from empty(role, version)
        yield from change_cipher_spec(role)


def in_handshake(role, version):
    messages = [name for name in MESSAGES[role, version] if name != "CCS"]
    for name in messages:
        yield Case(f"records/instead:{name} in one-byte records", role, version, {f"instead:{name}": in_pieces(1)}, goes_on(),
                   "RFC 9846 5.1, RFC 5246 6.2.1: a message may be cut into records of any length but 0")
        yield Case(f"records/instead:{name} header and body apart", role, version, {f"instead:{name}": in_pieces(4)}, goes_on(), "the same")
        yield Case(f"records/before:{name} garbage", role, version, {f"before:{name}": lambda peer: peer.send(b"GET / HTTP/1.1\r\n\r\n")},
                   refused(10, "SEC_E_INVALID_TOKEN", answer=None) if name == messages[0] else refused(10),
                   "docs/schannel-behaviour.md 5.2: what is no TLS from the first byte is not answered in TLS; RFC 9846 5: an unknown type")
        for unknown in (0, 24, 255):
            first = name == messages[0]
            yield Case(f"records/before:{name} content type {unknown}", role, version,
                       {f"before:{name}": lambda peer, unknown=unknown: peer.send(peer.plain(unknown, b"\x00"))},
                       refused(10, "SEC_E_INVALID_TOKEN", answer=None) if first else refused(10),
                       "RFC 9846 5, RFC 5246 6: an unexpected record type is unexpected_message")
        yield Case(f"records/before:{name} data", role, version, {f"before:{name}": lambda peer: peer.send(peer.seal(DATA, b"too early"))},
                   refused(10), "RFC 9846 5: data before Finished is unexpected_message; RFC 5246 7.3 has it behind the handshake")
    for wrong in ((2, 3), (4, 3), (0, 0)):
        yield Case(f"records/before:{messages[0]} version {wrong[0]}.{wrong[1]}", role, version,
                   {f"before:{messages[0]}": lambda peer, wrong=wrong: peer.send(peer.plain(HANDSHAKE, b"\x01\x00", wrong))},
                   refused(10, "SEC_E_INVALID_TOKEN", answer=None), "what is no TLS is not answered in TLS")
    for minor in (0, 1, 4, 255):
        yield Case(f"records/instead:{messages[0]} record version 3.{minor}", role, version,
                   {f"instead:{messages[0]}": lambda peer, minor=minor: peer.send(peer.plain(HANDSHAKE, peer.message, (3, minor)))},
                   goes_on(), "RFC 9846 5.1: the legacy version is ignored. RFC 5246 E.1: servers accept any version in a ClientHello's record")
    yield Case(f"records/instead:{messages[0]} in a record over the limit", role, version,
               {f"instead:{messages[0]}": lambda peer: peer.send(peer.plain(HANDSHAKE, bytes(MAX + 2049)))}, refused(22),
               "RFC 9846 5.1: record_overflow")


def in_pieces(length):
    def action(peer):
        message = peer.message
        if length == 1:
            pieces = [message[at:at + 1] for at in range(len(message))]
        else:
            pieces = [message[:length], message[length:]]
        # Messages that are all header have one piece.
        peer.send(*(peer.seal(HANDSHAKE, piece) for piece in pieces if piece))
    return action


def established(role, version):
    tls13 = version == TLS13
    for content_type in (0, 24, 255):
        yield Case(f"records/data content type {content_type} in the clear", role, version,
                   {"data": lambda peer, content_type=content_type: peer.send(peer.plain(content_type, bytes(40)))}, refused(10),
                   "RFC 9846 5, RFC 5246 6: an unexpected record type is unexpected_message")
        if tls13:
            yield Case(f"records/data content type {content_type} inside", role, version,
                       {"data": lambda peer, content_type=content_type: peer.send(peer.seal_inner(bytes([65, content_type])))},
                       refused(10), "RFC 9846 5.2, 5.4: the inner type is one that is expected, and no record is all padding")
    yield Case("records/data sealed ChangeCipherSpec", role, version, {"data": lambda peer: peer.send(peer.seal(CCS, b"\x01"))},
               refused(10), "RFC 9846 5: a protected ChangeCipherSpec is unexpected_message; RFC 5246 7.1: only in a handshake")
    yield Case("records/data data in the clear", role, version, {"data": lambda peer: peer.send(peer.plain(DATA, bytes(40)))},
               refused(20), "it does not open: bad_record_mac")
    yield Case("records/data short data in the clear", role, version, {"data": lambda peer: peer.send(peer.plain(DATA, b"x"))},
               refused(20), "shorter than a tag: bad_record_mac")
    yield Case("records/data handshake in the clear", role, version, {"data": lambda peer: peer.send(peer.plain(HANDSHAKE, bytes(40)))},
               refused(10 if tls13 else 20), "RFC 9846 5.2: only application data outside; in TLS 1.2 it does not open")
    yield Case("records/data data with outer type handshake", role, version,
               {"data": lambda peer: peer.send(with_type(peer.seal(DATA, b"data"), HANDSHAKE))}, refused(10 if tls13 else 20), "the same")
    for place, at in (("tag", -1), ("body", 14 if not tls13 else 6), ("first byte", 5)):
        yield Case(f"records/data a bit changed in the {place}", role, version,
                   {"data": lambda peer, at=at: peer.send(flipped(peer.seal(DATA, b"data and more data"), at))}, refused(20),
                   "RFC 9846 5.2, RFC 5246 6.2.3.3: bad_record_mac")
    yield Case("records/data another length in the header", role, version, {"data": lambda peer: peer.send(shortened(peer))}, refused(20),
               "the length is authenticated")
    yield Case("records/data repeated", role, version, {"data": lambda peer: peer.send(*2 * [peer.seal(DATA, b"again")])}, refused(20),
               "RFC 9846 5.3: each record opens at its place only")
    yield Case("records/data reordered", role, version, {"data": reordered}, refused(20), "the same")
    yield Case("records/data left out", role, version, {"data": lambda peer: (peer.seal(DATA, b"lost"), peer.send(peer.seal(DATA, b"x")))},
               refused(20), "the same")
    yield Case("records/data Finished repeated", role, version, {"data": lambda peer: peer.send(peer.sent[-1])}, refused(20),
               "a record of the handshake's keys, or of another sequence number, does not open")
    yield Case("records/data record version 3.1", role, version, {"data": lambda peer: peer.send(old_version(peer))},
               refused(20 if tls13 else 10),
               "RFC 9846 5.2: the header as it stands is authenticated. RFC 5246 E.1: behind the hello it has to be the agreed version",
               accepted="" if tls13 else "RFC 5246 names no alert; OpenSSL and BoringSSL send protocol_version")
    yield Case("records/data major version 2", role, version,
               {"data": lambda peer: peer.send(b"\x17\x02\x00\x00\x30" + bytes(48))}, refused(10), "what is no TLS record any more")
    yield Case("records/data one byte in each record", role, version, {
        "data": lambda peer: peer.send(*(peer.seal(DATA, bytes([65 + at % 26])) for at in range(100)), peer.alert(1, 0))},
        closed_with(100), "RFC 9846 5.1: records of data may be of any length")


def closed_with(count):
    return closed(also=delivered(bytes(count)))


def shortened(peer):
    record = peer.seal(DATA, b"data and more data")
    return record[:3] + (len(record) - 6).to_bytes(2, "big") + record[5:-1]


def reordered(peer):
    one, two = peer.seal(DATA, b"one"), peer.seal(DATA, b"two")
    peer.send(two, one)


def old_version(peer):
    record = peer.seal(DATA, b"data")
    return record[:2] + b"\x01" + record[3:]


def sizes(role, version):
    tls13 = version == TLS13
    why = "RFC 9846 5.1, 5.2; RFC 5246 6.2.1, 6.2.3: record_overflow"
    yield Case("records/data 2^14 bytes", role, version, {
        "data": lambda peer: peer.send(peer.seal(DATA, bytes(MAX)), peer.alert(1, 0))}, closed_with(MAX), "the limit itself is allowed")
    yield Case("records/data 2^14 + 1 bytes", role, version, {
        "data": lambda peer: peer.send(peer.seal(DATA, bytes(MAX + 1)))}, refused(22), why)
    if tls13:
        yield Case("records/data 2^14 bytes with padding", role, version, {
            "data": lambda peer: peer.send(peer.seal(DATA, bytes(MAX - 100), padding=101))}, refused(22),
            "RFC 9846 5.2: the limit is on the inner plaintext with its padding")
        yield Case("records/data padding to the limit", role, version, {
            "data": lambda peer: peer.send(peer.seal(DATA, bytes(100), padding=MAX - 100), peer.alert(1, 0))}, closed_with(100),
            "RFC 9846 5.4: padding may fill a record")
    over = MAX + (256 if tls13 else 2048) + 1
    yield Case(f"records/data {over} bytes outside", role, version, {
        "data": lambda peer: peer.send(struct.pack("!BBBH", DATA, 3, 3, over))}, refused(22),
        "RFC 9846 5.2: 2^14 + 256, RFC 5246 6.2.3: 2^14 + 2048; told by the header alone")
    yield Case(f"records/data {over - 1} bytes outside, forged", role, version, {
        "data": lambda peer: peer.send(peer.plain(DATA, bytes(over - 1)))}, refused(20 if tls13 else 22),
        "within the limit of the ciphertext: TLS 1.3 opens it first. In TLS 1.2 with an AEAD the plaintext's length shows before")


def empty(role, version):
    flood = "BoringSSL's kMaxEmptyRecords: 32 in a row"
    yield Case("records/data 32 empty ones", role, version, {
        "data": lambda peer: peer.send(*(peer.seal(DATA, b"") for _ in range(32)))}, goes_on(),
        "RFC 9846 5.1, RFC 5246 6.2.1: data may be empty")
    yield Case("records/data 33 empty ones", role, version, {
        "data": lambda peer: peer.send(*(peer.seal(DATA, b"") for _ in range(33)))}, refused(10), flood)
    yield Case("records/data 32 empty ones, data, 32 empty ones", role, version, {
        "established": lambda peer: peer.send(*(peer.seal(DATA, b"") for _ in range(32))),
        "data": lambda peer: peer.send(*(peer.seal(DATA, b"") for _ in range(32)))}, goes_on(), flood)
    yield Case("records/data empty handshake record", role, version, {"data": lambda peer: peer.send(peer.seal(HANDSHAKE, b""))},
               refused(10), "RFC 9846 5.1, 5.4: no empty fragments of handshake messages: unexpected_message")
    for name in (name for name in MESSAGES[role, version] if name != "CCS"):
        clear = name != "Finished" if version == TLS12 else name in ("ClientHello", "ServerHello")
        yield Case(f"records/before:{name} empty handshake record", role, version, {
            f"before:{name}": lambda peer: peer.send(peer.seal(HANDSHAKE, b""))}, refused(50 if clear else 10),
            "RFC 9846 5.1: no empty fragments; 5.4: unexpected_message for protected ones",
            accepted="in the clear the engine says decode_error, for a record that cannot be read" if clear else "")
        yield Case(f"records/before:{name} empty record of data", role, version, {
            f"before:{name}": lambda peer: peer.send(peer.seal(DATA, b""))}, refused(10), "RFC 9846 5: data before Finished")
    if version == TLS13:
        for count in (0, 1, 100):
            yield Case(f"records/data nothing but {count} zeros inside", role, version, {
                "data": lambda peer, count=count: peer.send(peer.seal_inner(bytes(count)))}, refused(10),
                "RFC 9846 5.4: a record without a type is unexpected_message")


def change_cipher_spec(role):
    """TLS 1.3 (RFC 9846 section 5, appendix E.4): one in the clear, of the byte 1, is dropped between the first ClientHello and Finished."""
    why = "RFC 9846 5: dropped between the first ClientHello and the peer's Finished, elsewhere unexpected_message"
    good = lambda peer: peer.send(peer.plain(CCS, b"\x01"))
    names = [name for name in MESSAGES[role, TLS13] if name != "CCS"]
    for name in names[1:]:
        yield Case(f"records/before:{name} ChangeCipherSpec", role, TLS13, {f"before:{name}": good}, goes_on(), why)
        for bad in (b"\x02", b"\x00", b"\x01\x01"):
            yield Case(f"records/before:{name} ChangeCipherSpec {bad.hex()}", role, TLS13,
                       {f"before:{name}": lambda peer, bad=bad: peer.send(peer.plain(CCS, bad))}, refused(10), why)
        yield Case(f"records/before:{name} sealed ChangeCipherSpec", role, TLS13, {
            f"before:{name}": lambda peer: peer.send(peer.seal(CCS, b"\x01"))}, refused(10), why)
    yield Case(f"records/before:{names[0]} ChangeCipherSpec", role, TLS13, {f"before:{names[0]}": good}, refused(10), why,
               accepted="" if role == "client" else "a client cannot know before the ServerHello that this is TLS 1.3, and in TLS 1.2 it is "
               "an error there; no server has a reason to send one")
    yield Case("records/instead:CCS no ChangeCipherSpec", role, TLS13, {"instead:CCS": lambda peer: None}, goes_on(),
               "RFC 9846 E.4: nobody has to send one")
    for point in ("established", "data"):
        yield Case(f"records/{point} ChangeCipherSpec", role, TLS13, {point: good}, refused(10), why)
    yield Case("records/before:Finished 40 ChangeCipherSpecs", role, TLS13, {
        "before:Finished": lambda peer: peer.send(40 * peer.plain(CCS, b"\x01"))}, refused(10),
        "BoringSSL counts them among empty records; the engine takes two", accepted="RFC 9846 does not bound them; E.4 has a peer send one")
    for name in [name for name in MESSAGES[role, TLS12] if name not in ("CCS", "Finished")][1:]:
        yield Case(f"records/before:{name} ChangeCipherSpec too early", role, TLS12, {f"before:{name}": good}, refused(10),
                   "RFC 5246 7.1, CVE-2014-0224: before there are keys it would switch to known ones")
    yield Case("records/instead:CCS no ChangeCipherSpec", role, TLS12, {
        "instead:CCS": lambda peer: None,
        "instead:Finished": lambda peer: peer.send(peer.plain(HANDSHAKE, peer.message))}, refused(10),
        "RFC 5246 7.4.9: a Finished without it is unexpected_message")
    yield Case("records/after:CCS once more", role, TLS12, {"after:CCS": good}, refused(10), "RFC 5246 7.1: one")
