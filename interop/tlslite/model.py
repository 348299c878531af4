"""What a case is, and what may be expected of it.

The expectation of a case is what a peer sees and what the program reports, both written down beside the case:

    refused(10)     the program finds fault: it sends this alert and reports a failure with the status that belongs to the alert
    alerted(40)     it takes our alert for the end: it sends none, and reports the alert's number
    closed()        it takes our close_notify for the end: it answers with its own
    goes_on()       nothing happened: data goes both ways, and both sides end in order
    truncated()     the transport ended too early
    reset()         it was reset
"""

from dataclasses import dataclass, field
from typing import Callable, Dict, Optional, Tuple

# An answer that is not looked at: we left, or cannot read it.
ANY = -1

# Status of a failure by the alert that is sent for it (docs/schannel-behaviour.md, section 5.2).
STATUS = {
    10: "SEC_E_ILLEGAL_MESSAGE",
    20: "SEC_E_MESSAGE_ALTERED",
    22: "SEC_E_ILLEGAL_MESSAGE",
    40: "SEC_E_ALGORITHM_MISMATCH",
    47: "SEC_E_ILLEGAL_MESSAGE",
    50: "SEC_E_ILLEGAL_MESSAGE",
    51: "SEC_E_DECRYPT_FAILURE",
    70: "SEC_E_UNSUPPORTED_FUNCTION",
    86: "SEC_E_DOWNGRADE_DETECTED",
    109: "SEC_E_ILLEGAL_MESSAGE",
    110: "SEC_E_ILLEGAL_MESSAGE",
}


@dataclass(frozen=True)
class Expectation:
    """How a connection ends: the report's `read_end`, and with it what the peer is told."""

    read_end: str
    # The alert that the program sends: 0 is close_notify, None none at all.
    answer: Optional[int] = 0
    alert: Optional[int] = None
    status: Optional[str] = None
    inside_record: bool = False
    # Data went both ways, behind what was done.
    works: bool = False
    # Of a handshake that is done: `connect` ends with this code; behind one that is not, with 1 (5 for an alert).
    code: int = 1
    # What else has to hold: given the peer, an explanation if it does not.
    also: Optional[Callable] = field(default=None, compare=False)

    def __str__(self):
        words = {
            "failed": f"refused, alert {self.answer}",
            "alert": f"ended by alert {self.alert}",
            "clean": "both ended in order" if self.works else "closed",
            "truncated": "truncated" + (" inside a record" if self.inside_record else ""),
            "reset": "reset",
        }
        return words.get(self.read_end, self.read_end)


def refused(alert, status=None, answer="the same"):
    return Expectation("failed", answer=alert if answer == "the same" else answer, status=status or STATUS[alert])


def alerted(alert):
    return Expectation("alert", answer=None, alert=alert, code=5)


def closed(**more):
    return Expectation("clean", code=0, **more)


def goes_on(also=None):
    return Expectation("clean", works=True, code=0, also=also)


def truncated(inside_record=False):
    return Expectation("truncated", answer=ANY, inside_record=inside_record, code=3)


def reset():
    return Expectation("reset", answer=ANY, code=4)


@dataclass(frozen=True)
class Case:
    """One misbehaving connection."""

    name: str
    # Whom tlslite-ng plays: "client" against `serve`, "server" against `connect`.
    role: str
    # (3, 3) is TLS 1.2, (3, 4) TLS 1.3.
    version: Tuple[int, int]
    plan: Dict[str, Callable]
    expect: Expectation
    # The documents' sentence, in our words, and what they leave open.
    why: str
    # Changes to tlslite-ng's HandshakeSettings.
    settings: Dict[str, object] = field(default_factory=dict)
    # The reason for an expectation that is not what the documents, or BoringSSL and OpenSSL, would have.
    accepted: str = ""

    @property
    def title(self):
        return f"{self.role} {'1.3' if self.version == TLS13 else '1.2'} {self.name}"


TLS12, TLS13 = (3, 3), (3, 4)

# What tlslite-ng sends, in order.
MESSAGES = {
    ("client", TLS12): ["ClientHello", "ClientKeyExchange", "CCS", "Finished"],
    ("client", TLS13): ["ClientHello", "CCS", "Finished"],
    ("server", TLS12): ["ServerHello", "Certificate", "ServerKeyExchange", "ServerHelloDone", "CCS", "Finished"],
    ("server", TLS13): ["ServerHello", "CCS", "EncryptedExtensions", "Certificate", "CertificateVerify", "Finished"],
}

BOTH_ROLES = ("client", "server")
BOTH_VERSIONS = (TLS12, TLS13)
