"""Alerts: every kind of them at every point of a connection."""

from model import BOTH_ROLES, BOTH_VERSIONS, MESSAGES, TLS12, TLS13, Case, alerted, closed, goes_on, refused
from wire import ALERT, DATA

# What is sent, and what comes of it: in TLS 1.2, in TLS 1.3, and where no version is agreed yet.
KINDS = [
    # name                content        TLS 1.2       TLS 1.3       before a version
    ("close_notify",      b"\x01\x00",   closed(),     closed(),     closed(),
     "RFC 9846 6.1, RFC 5246 7.2.1: it ends the sender's direction, whenever it comes"),
    ("fatal close_notify", b"\x02\x00",  closed(),     closed(),     closed(),
     "RFC 9846 6.1 has close_notify at any level; RFC 5246 does not name one for it"),
    ("fatal",             b"\x02\x28",   alerted(40),  alerted(40),  alerted(40),
     "RFC 9846 6.2, RFC 5246 7.2.2: the connection is over, nothing is answered"),
    ("user_canceled",     b"\x01\x5a",   goes_on(),    goes_on(),    goes_on(),
     "RFC 9846 6.1: a close_notify follows; until then it changes nothing. RFC 5246 7.2.2: a warning"),
    ("warning",           b"\x01\x70",   goes_on(),    alerted(112), goes_on(),
     "RFC 5246 7.2.2: after a warning the connection can go on. RFC 9846 6: in TLS 1.3 all others are errors, at any level"),
    ("unknown fatal",     b"\x02\xc8",   alerted(200), alerted(200), alerted(200),
     "RFC 9846 6.2: an unknown alert is an error alert"),
    ("unknown warning",   b"\x01\xc8",   goes_on(),    alerted(200), goes_on(),
     "as any other warning"),
    ("level 0",           b"\x00\x28",   alerted(40),  alerted(40),  alerted(40),
     "RFC 9846 6: the level does not count. In TLS 1.2 there is no such level"),
    ("level 3",           b"\x03\x28",   alerted(40),  alerted(40),  alerted(40),
     "as level 0"),
    ("one byte",          b"\x02",       refused(50),  refused(50),  refused(50),
     "RFC 9846 5.1: an alert is one message in one record; 6: a message that cannot be parsed is decode_error"),
    ("three bytes",       b"\x01\x00\x00", refused(50), refused(50), refused(50),
     "as one byte"),
    ("two in a record",   b"\x01\x00\x01\x00", refused(50), refused(50), refused(50),
     "RFC 9846 5.1: alerts are not put together"),
    ("empty",             b"",           refused(50),  refused(50),  refused(50),
     "RFC 9846 5.1, 5.4: no empty alert fragments; OpenSSL and BoringSSL find a malformed alert in it"),
]

IN_THE_CLEAR = "inside a handshake what comes is opened before its type is looked at, as in BoringSSL: bad_record_mac. RFC 9846 5 and OpenSSL \
have unexpected_message for it, and so has an established connection here"

LEVELS = "no alert is sent: what has an unknown level is taken as fatal, which ends the connection as well; BoringSSL and OpenSSL add an \
illegal_parameter, which RFC 5246 does not ask for"

# Points in the order in which they come, and whether the alert is protected there by the keys of that moment. "hello" is before the
# other side knows a version.
POINTS = {
    ("client", TLS12): [("before:ClientHello", "hello"), ("after:ClientHello", "clear"), ("before:ClientKeyExchange", "clear"),
                        ("after:ClientKeyExchange", "clear"), ("keys:1", "sealed"), ("after:Finished", "sealed"),
                        ("established", "sealed"), ("data", "sealed")],
    ("client", TLS13): [("before:ClientHello", "hello"), ("after:ClientHello", "clear"), ("keys:1", "sealed"),
                        ("after:CCS", "sealed"), ("before:Finished", "sealed"), ("keys:2", "sealed"), ("established", "sealed"),
                        ("data", "sealed")],
    ("server", TLS12): [("before:ServerHello", "hello"), ("after:ServerHello", "clear"), ("after:Certificate", "clear"),
                        ("after:ServerKeyExchange", "clear"), ("after:ServerHelloDone", "clear"), ("before:CCS", "clear"),
                        ("keys:1", "sealed"), ("after:Finished", "sealed"), ("established", "sealed"), ("data", "sealed")],
    ("server", TLS13): [("before:ServerHello", "hello"), ("after:ServerHello", "clear"), ("after:CCS", "clear"), ("keys:1", "sealed"),
                        ("after:EncryptedExtensions", "sealed"), ("after:Certificate", "sealed"),
                        ("after:CertificateVerify", "sealed"), ("before:Finished", "sealed"), ("keys:2", "sealed"),
                        ("established", "sealed"), ("data", "sealed")],
}


def cases():
    for role in BOTH_ROLES:
        for version in BOTH_VERSIONS:
            yield from at_every_point(role, version)
            yield from in_the_wrong_protection(role, version)
            yield from in_place_of_every_message(role, version)
            yield from behind_close_notify(role, version)
            yield from floods(role, version)


def sealed(content):
    return lambda peer: peer.send(peer.seal(ALERT, content))


def at_every_point(role, version):
    for point, phase in POINTS[role, version]:
        for name, content, tls12, tls13, before, why in KINDS:
            expect = before if phase == "hello" else tls12 if version == TLS12 else tls13
            accepted = LEVELS if name.startswith("level") and version == TLS12 else ""
            yield Case(f"alert/{point} {name}", role, version, {point: sealed(content)}, expect, why, accepted=accepted)


def in_the_wrong_protection(role, version):
    """In the clear where keys are expected, and sealed, or what looks like it, where none are."""
    close = lambda peer: peer.send(peer.plain(ALERT, b"\x01\x00"))
    fatal = lambda peer: peer.send(peer.plain(ALERT, b"\x02\x28"))
    for point, phase in POINTS[role, version]:
        if phase == "sealed":
            # TLS 1.3: who cannot read the hello has no keys, and says so in the clear; from the first sealed record on he had them.
            unread = version == TLS13 and (role, point) in [
                ("client", "keys:1"), ("client", "after:CCS"), ("client", "before:Finished"), ("server", "keys:1")]
            shaken = point in ("keys:2", "established", "data")
            # A server has its keys of data from its own Finished on, while its client is still in the handshake.
            wrong = refused(10 if version == TLS13 and shaken else 20)
            accepted = "" if version == TLS12 or shaken else IN_THE_CLEAR
            yield Case(f"alert/{point} close_notify in the clear", role, version, {point: close}, closed() if unread else wrong,
                       "RFC 9846 6, 5: alerts are protected like everything else; RFC 5246 6.2.3.3: it does not open",
                       accepted="" if unread else accepted)
            yield Case(f"alert/{point} fatal in the clear", role, version, {point: fatal}, alerted(40) if unread else wrong, "the same",
                       accepted="" if unread else accepted)
        else:
            yield Case(f"alert/{point} as if sealed", role, version, {point: lambda peer: peer.send(peer.plain(ALERT, bytes(26)))},
                       refused(50), "before there are keys it is an alert of another length: decode_error")
            yield Case(f"alert/{point} as if sealed in TLS 1.3", role, version, {point: lambda peer: peer.send(peer.plain(DATA, bytes(19)))},
                       refused(20 if version == TLS13 and phase == "clear" else 10),
                       "RFC 9846 5: data before Finished is unexpected_message; where TLS 1.3 expects sealed records it does not open")


def in_place_of_every_message(role, version):
    for message in MESSAGES[role, version]:
        first = message in ("ClientHello", "ServerHello")
        for name, content, tls12, tls13, before, why in KINDS:
            expect = before if first else tls12 if version == TLS12 else tls13
            if not expect.works:
                yield Case(f"alert/instead:{message} {name}", role, version, {f"instead:{message}": sealed(content)}, expect, why)


def behind_close_notify(role, version):
    """What comes behind a close_notify is ignored (RFC 9846 section 6.1, RFC 5246 section 7.2.1), alerts too."""
    for name, content, *_ in KINDS:
        yield Case(f"alert/closed {name}", role, version, {"closed": sealed(content)}, goes_on(),
                   "RFC 9846 6.1, RFC 5246 7.2.1: what comes behind a close_notify is ignored")


def floods(role, version):
    """Warnings cost the sender nothing: more than four in a row end the connection, as in BoringSSL (kMaxWarningAlerts)."""
    flood = lambda count, content: lambda peer: peer.send(*(peer.seal(ALERT, content) for _ in range(count)))
    bound = "a bound of ours and BoringSSL's: four warnings in a row, in TLS 1.3 of user_canceled"
    hello = "before:" + MESSAGES[role, version][0]
    for point in (hello, "keys:1", "established", "data"):
        for name, content in (("user_canceled", b"\x01\x5a"), ("warning", b"\x01\x70")):
            if name == "warning" and version == TLS13 and point != hello:
                continue
            yield Case(f"alert/{point} 4 times {name}", role, version, {point: flood(4, content)}, goes_on(), bound)
            yield Case(f"alert/{point} 5 times {name}", role, version, {point: flood(5, content)}, refused(10), bound)
    yield Case("alert/data 4 times user_canceled, data, 4 times", role, version, {
        "established": flood(4, b"\x01\x5a"), "data": flood(4, b"\x01\x5a")}, goes_on(), "data between them begins the count anew")
