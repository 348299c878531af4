"""Messages of the handshake: lengths, contents, order, key changes, HelloRetryRequest, downgrades."""

from model import BOTH_ROLES, BOTH_VERSIONS, MESSAGES, TLS12, TLS13, Case, Expectation, goes_on, refused
from wire import DATA, HANDSHAKE, RETRY_RANDOM
from cases_alerts import IN_THE_CLEAR
from cases_closing import flipped

KEY_CHANGE = {("client", TLS12): ["Finished"], ("client", TLS13): ["ClientHello", "Finished"],
              ("server", TLS12): ["Finished"], ("server", TLS13): ["ServerHello", "Finished"]}


COMPARED = "the engine compares a Finished before it looks at its length: decrypt_error, where BoringSSL and OpenSSL have the same or decode_error"


def cases():
    for role in BOTH_ROLES:
        for version in BOTH_VERSIONS:
            yield from lengths(role, version)
            yield from order(role, version)
            yield from contents(role, version)
            yield from key_changes(role, version)
    yield from together()
    yield from retries()
    yield from downgrades()


def instead(change):
    """Sends the message after a change."""
    return lambda peer: peer.send(*(peer.seal(HANDSHAKE, piece) for piece in pieces(change(bytearray(peer.message)))))


def pieces(content):
    return [bytes(content[at:at + 16384]) for at in range(0, len(content), 16384)]


def with_length(change):
    """The length field says another length than the message has."""
    def action(message):
        length = int.from_bytes(message[1:4], "big") + change
        return message[:1] + length.to_bytes(3, "big") + message[4:]
    return action


def with_body(change):
    """Another body, of the length that the header says."""
    def action(message):
        body = bytes(change(message[4:]))
        return message[:1] + len(body).to_bytes(3, "big") + body
    return action


def messages(role, version):
    return [name for name in MESSAGES[role, version] if name != "CCS"]


# ServerHelloDone is empty, so it has nothing to be cut from, and what is missing makes any other message unreadable.
def lengths(role, version):
    for name in messages(role, version):
        decode = refused(50)
        if name != "ServerHelloDone":
            expect = refused(51) if name == "Finished" else decode
            yield Case(f"handshake/instead:{name} one byte short", role, version, {
                f"instead:{name}": instead(with_body(lambda body: body[:-1]))}, expect,
                "RFC 9846 4.5.3, 6.2; RFC 5246 7.2.2: decode_error; a Finished of another length does not verify",
                accepted=COMPARED if name == "Finished" else "")
            yield Case(f"handshake/instead:{name} empty", role, version, {
                f"instead:{name}": instead(with_body(lambda body: b""))}, expect, "the same",
                accepted=COMPARED if name == "Finished" else "")
        expect = refused(51) if name == "Finished" else decode
        yield Case(f"handshake/instead:{name} one byte more", role, version, {
            f"instead:{name}": instead(with_body(lambda body: body + b"\x00"))}, expect, "RFC 9846 6.2: decode_error",
            accepted=COMPARED if name == "Finished" else "")
        yield Case(f"handshake/instead:{name} longer than any may be", role, version, {
            f"instead:{name}": instead(lambda message: message[:1] + b"\x01\x00\x00" + message[4:])}, refused(50),
            "a bound of the engine, 65535 bytes: told by the header",
            accepted="no document has a limit or an alert for it; BoringSSL and OpenSSL say illegal_parameter")


# What each side expects at the place of each message; another message there is unexpected.
def order(role, version):
    why = "RFC 9846 4, RFC 5246 7.4: unexpected_message"
    for name in messages(role, version):
        for kind, other in ((0, "HelloRequest"), (24, "KeyUpdate"), (20, "Finished"), (99, "an unknown message")):
            if name == other or (other == "HelloRequest" and (role, version) == ("server", TLS12)):
                continue
            yield Case(f"handshake/before:{name} {other}", role, version, {
                f"before:{name}": lambda peer, kind=kind: peer.send(peer.seal(HANDSHAKE, bytes([kind, 0, 0, 1, 0])))}, refused(10), why)
    # Behind the last message of a flight there is nothing to be surprised by; that the flight is not whole, its silence says.
    for name in messages(role, version)[1:]:
        if name not in ("Finished", "ServerHelloDone"):
            yield Case(f"handshake/instead:{name} nothing", role, version, {f"instead:{name}": lambda peer: None}, refused(10), why)
    for name in messages(role, version):
        if name != "Finished":
            # In TLS 1.3 both hellos are in the clear, and nothing behind the second is.
            clear = version == TLS13 and name in ("ClientHello", "ServerHello")
            yield Case(f"handshake/after:{name} once more", role, version, {
                f"after:{name}": lambda peer: peer.send(peer.seal(HANDSHAKE, peer.message))}, refused(20 if clear else 10), why,
                accepted=IN_THE_CLEAR if clear else "")


def contents(role, version):
    yield Case("handshake/instead:Finished wrong", role, version, {
        "instead:Finished": instead(lambda message: flipped(message))}, refused(51), "RFC 9846 4.5.3, RFC 5246 7.4.9: decrypt_error")
    yield Case("handshake/instead:Finished changed on the way", role, version, {
        "instead:Finished": lambda peer: peer.send(flipped(peer.seal(HANDSHAKE, peer.message)))}, refused(20),
        "RFC 9846 5.2, RFC 5246 6.2.3.3: bad_record_mac")
    yield Case("handshake/instead:Finished in the clear", role, version, {
        "instead:Finished": lambda peer: peer.send(peer.plain(HANDSHAKE, peer.message))}, refused(20),
        "RFC 9846 5: unexpected_message; in TLS 1.2 it does not open", accepted=IN_THE_CLEAR if version == TLS13 else "")
    yield Case("handshake/instead:Finished data in its place", role, version, {
        "instead:Finished": lambda peer: peer.send(peer.seal(DATA, b"too early"))}, refused(10), "RFC 9846 5: data before Finished")
    if role == "server":
        name = "CertificateVerify" if version == TLS13 else "ServerKeyExchange"
        yield Case(f"handshake/instead:{name} wrong signature", role, version, {
            f"instead:{name}": instead(lambda message: flipped(message))}, refused(51), "RFC 9846 4.5.2, RFC 5246 7.4.3: decrypt_error")


def key_changes(role, version):
    """RFC 9846 section 5.1: what changes keys ends its record. In TLS 1.2 ChangeCipherSpec is a record of its own."""
    for name in KEY_CHANGE[role, version]:
        if (role, name) == ("client", "ClientHello"):
            continue
        yield Case(f"handshake/instead:{name} with the front of another message", role, version, {
            f"instead:{name}": instead(lambda message: message + b"\x08\x00")}, refused(10),
            "RFC 9846 5.1: nothing spans a change of keys; RFC 5246 7.4.9: nothing comes behind Finished")
        yield Case(f"handshake/instead:{name} with another message", role, version, {
            f"instead:{name}": instead(lambda message: message + b"\x08\x00\x00\x02\x00\x00")}, refused(10), "the same")
    if version == TLS12:
        yield Case("handshake/before:CCS front of a message", role, version, {
            "before:CCS": lambda peer: peer.send(peer.seal(HANDSHAKE, b"\x14\x00"))}, refused(10), "nothing spans a change of keys")


def together():
    """RFC 9846 section 5.1: several messages may share a record."""
    def collect(peer):
        peer.collected = getattr(peer, "collected", b"") + peer.message

    def send_all(peer):
        peer.send(*(peer.seal(HANDSHAKE, piece) for piece in pieces(getattr(peer, "collected", b"") + peer.message)))

    flights = {TLS13: ["EncryptedExtensions", "Certificate", "CertificateVerify", "Finished"],
               TLS12: ["ServerHello", "Certificate", "ServerKeyExchange", "ServerHelloDone"]}
    for version, flight in flights.items():
        plan = {f"instead:{name}": collect for name in flight[:-1]}
        plan[f"instead:{flight[-1]}"] = send_all
        yield Case(f"handshake/{flight[0]} to {flight[-1]} in one record", "server", version, plan, goes_on(), "RFC 9846 5.1")


def retries():
    """HelloRetryRequest (RFC 9846 section 4.1.4): the groups are chosen so that the server needs one."""
    groups = {"eccCurves": ["secp256r1"], "keyShares": ["secp256r1"]}
    yield Case("handshake/one HelloRetryRequest", "server", TLS13, {"after:HelloRetryRequest": lambda peer: None}, goes_on(),
               "RFC 9846 4.1.4", settings=groups)

    def keep(peer):
        peer.retry = peer.message

    yield Case("handshake/instead:ServerHello second HelloRetryRequest", "server", TLS13, {
        "after:HelloRetryRequest": keep, "instead:ServerHello": lambda peer: peer.send(peer.plain(HANDSHAKE, peer.retry))}, refused(10),
        "RFC 9846 4.1.4: a second one is unexpected_message", settings=groups)
    yield Case("handshake/after:HelloRetryRequest once more", "server", TLS13, {
        "after:HelloRetryRequest": lambda peer: peer.send(peer.plain(HANDSHAKE, peer.message))}, refused(10),
        "RFC 9846 4.1.4: a second one is unexpected_message", settings=groups)
    yield Case("handshake/after:HelloRetryRequest alert", "server", TLS13, {
        "after:HelloRetryRequest": lambda peer: peer.send(peer.alert(2, 40))}, Expectation("alert", answer=None, alert=40, code=5),
        "RFC 9846 6.2", settings=groups)
    yield Case("handshake/after:HelloRetryRequest close_notify", "server", TLS13, {
        "after:HelloRetryRequest": lambda peer: peer.send(peer.alert(1, 0))}, Expectation("clean"), "RFC 9846 6.1", settings=groups)

    def share_of_a_group_that_was_there(message):
        # The client's own first share is of x25519: asking for it again changes nothing. tlslite-ng's cookie goes, for it would.
        at = message.index(b"\x00\x33\x00\x02") + 4
        message[at:at + 2] = b"\x00\x1d"
        return without_cookie(message)

    yield Case("handshake/instead:HelloRetryRequest for a share that was there", "server", TLS13, {
        "instead:HelloRetryRequest": instead(share_of_a_group_that_was_there)}, refused(47),
        "RFC 9846 4.3.8: illegal_parameter", settings=groups)

    def unknown_group(message):
        at = message.index(b"\x00\x33\x00\x02") + 4
        message[at:at + 2] = b"\x01\x00"
        return message

    yield Case("handshake/instead:HelloRetryRequest for a group never offered", "server", TLS13, {
        "instead:HelloRetryRequest": instead(unknown_group)}, refused(47), "RFC 9846 4.3.8: illegal_parameter", settings=groups)


def without_cookie(message):
    """A HelloRetryRequest without its cookie extension."""
    at = message.index(b"\x00\x2c")
    end = at + 4 + int.from_bytes(message[at + 2:at + 4], "big")
    short = message[:at] + message[end:]
    # The lengths of the extensions, behind version, random, empty or echoed session, suite and compression; and of the message.
    block = 4 + 2 + 32 + 1 + message[38] + 3
    extensions = int.from_bytes(message[block:block + 2], "big") - (end - at)
    short[block:block + 2] = extensions.to_bytes(2, "big")
    short[1:4] = (len(short) - 4).to_bytes(3, "big")
    return short


def downgrades():
    """A server that could have spoken TLS 1.3 says so in its random (RFC 9846 section 4.1.3)."""
    for name, sentinel in (("TLS 1.2", b"DOWNGRD\x01"), ("TLS 1.1", b"DOWNGRD\x00")):
        def change(message, sentinel=sentinel):
            message[30:38] = sentinel
            return message
        yield Case(f"handshake/instead:ServerHello sentinel of {name}", "server", TLS12, {"instead:ServerHello": instead(change)},
                   refused(47, "SEC_E_DOWNGRADE_DETECTED"), "RFC 9846 4.1.3: illegal_parameter")

    yield Case("handshake/after:ClientHello fallback marked as one", "client", TLS12, {"after:ClientHello": lambda peer: None}, refused(86),
               "RFC 7507 3: inappropriate_fallback", settings={"sendFallbackSCSV": True})

    def version(minor):
        def change(message):
            message[5] = minor
            return message
        return change

    for minor in (0, 1, 2):
        yield Case(f"handshake/instead:ServerHello of version 3.{minor}", "server", TLS12, {"instead:ServerHello": instead(version(minor))},
                   refused(70), "RFC 5246 E.1: protocol_version")
        yield Case(f"handshake/instead:ClientHello of version 3.{minor}", "client", TLS12, {"instead:ClientHello": instead(version(minor))},
                   refused(70), "RFC 5246 E.1: protocol_version")
