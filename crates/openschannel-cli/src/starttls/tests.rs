#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails")]

use super::*;

/// What the server says at each turn, and what is said to it.
type Script<'a> = &'a [(&'a [u8], &'a [u8])];

/// Plays a script, in one piece or byte by byte, and gives what went wrong.
fn play(protocol: Protocol, script: Script<'_>, bytewise: bool) -> Result<(), Refusal> {
    let mut dialogue = Dialogue::new(protocol, "example.org");
    for (theirs, ours) in script {
        let pieces: Vec<&[u8]> = if bytewise { theirs.chunks(1).collect() } else { vec![theirs] };
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            assert_eq!(dialogue.step()?, Step::Need, "{protocol}: it does not wait for {theirs:?}");
            dialogue.received(piece)?;
        }
        if !ours.is_empty() {
            let expected = Step::Send(ours.to_vec());
            assert_eq!(dialogue.step()?, expected, "{protocol}: behind {}", String::from_utf8_lossy(theirs));
        }
    }
    match dialogue.step()? {
        Step::Done => Ok(()),
        step => panic!("{protocol}: {step:?} where TLS was to begin"),
    }
}

const LDAP_OK: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";

fn mysql_greeting(flags: u16) -> Vec<u8> {
    let mut payload = b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0".to_vec();
    payload.extend(flags.to_le_bytes());
    payload.extend([0; 20]);
    let mut packet = vec![u8::try_from(payload.len()).unwrap(), 0, 0, 0];
    packet.extend(payload);
    packet
}

fn mysql_request() -> Vec<u8> {
    let mut request = vec![32, 0, 0, 1, 0x00, 0x8a, 0, 0, 0, 0, 0, 1, 33];
    request.extend([0; 23]);
    request
}

fn xmpp_opening() -> &'static [u8] {
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
      to='example.org' version='1.0'>"
}

#[test]
fn every_protocol_reaches_tls() {
    let greeting = mysql_greeting(0xffff);
    let request = mysql_request();
    let scripts: &[(Protocol, Script<'_>)] = &[
        (
            Protocol::Smtp,
            &[
                (b"220-mx\r\n220 ready\r\n", b"EHLO localhost\r\n"),
                (b"250-mx\r\n250-starttls\r\n250 SIZE\r\n", b"STARTTLS\r\n"),
                (b"220 go\r\n", b""),
            ],
        ),
        (
            Protocol::Lmtp,
            &[
                (b"220 ready\r\n", b"LHLO localhost\r\n"),
                (b"250-mx\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
                (b"220 go\r\n", b""),
            ],
        ),
        (
            Protocol::Imap,
            &[
                (b"* OK [CAPABILITY IMAP4rev1] hello\r\n", b"a1 CAPABILITY\r\n"),
                (b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n", b"a2 STARTTLS\r\n"),
                (b"a2 OK begin\r\n", b""),
            ],
        ),
        (Protocol::Pop3, &[(b"+OK hello\r\n", b"STLS\r\n"), (b"+OK begin\r\n", b"")]),
        (
            Protocol::Ftp,
            &[
                (b"220-hello\r\n 220 still\r\nfree text\r\n220 end\r\n", b"AUTH TLS\r\n"),
                (b"234 go\r\n", b""),
            ],
        ),
        (Protocol::Nntp, &[(b"201 hello\r\n", b"STARTTLS\r\n"), (b"382 go\r\n", b"")]),
        (
            Protocol::Sieve,
            &[
                (b"\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK \"hello\"\r\n", b"STARTTLS\r\n"),
                (b"OK\r\n", b""),
            ],
        ),
        (
            Protocol::Xmpp,
            &[
                (b"", xmpp_opening()),
                (
                    b"<?xml version='1.0'?><stream:stream><stream:features><starttls \
                      xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
                    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
                ),
                (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
            ],
        ),
        (Protocol::Ldap, &[(b"", binary::LDAP_START_TLS), (LDAP_OK, b"")]),
        (Protocol::Postgres, &[(b"", &binary::POSTGRES_SSL_REQUEST), (b"S", b"")]),
        (Protocol::Mysql, &[(&greeting, &request)]),
    ];
    for protocol in Protocol::value_variants() {
        let (_, script) = scripts.iter().find(|(known, _)| known == protocol).unwrap();
        for bytewise in [false, true] {
            play(*protocol, script, bytewise).unwrap_or_else(|refusal| panic!("{protocol}: {refusal}"));
        }
    }
}

#[test]
fn a_server_without_tls_is_told_from_one_that_refuses() {
    let no_ssl = mysql_greeting(0xf7ff);
    let not_offered: &[(Protocol, Script<'_>)] = &[
        (Protocol::Smtp, &[(b"220 x\r\n", b"EHLO localhost\r\n"), (b"250-mx\r\n250 SIZE\r\n", b"")]),
        (
            Protocol::Imap,
            &[(b"* OK x\r\n", b"a1 CAPABILITY\r\n"), (b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n", b"")],
        ),
        (Protocol::Sieve, &[(b"\"SASL\" \"\"\r\nOK\r\n", b"")]),
        (Protocol::Xmpp, &[(b"", xmpp_opening()), (b"<stream:features></stream:features>", b"")]),
        (Protocol::Xmpp, &[(b"", xmpp_opening()), (b"<stream:stream><stream:features/>", b"")]),
        (Protocol::Postgres, &[(b"", &binary::POSTGRES_SSL_REQUEST), (b"N", b"")]),
        (Protocol::Mysql, &[(&no_ssl, b"")]),
    ];
    for (protocol, script) in not_offered {
        assert!(matches!(play(*protocol, script, false), Err(Refusal::NotOffered)), "{protocol}");
    }
    let answered: &[(Protocol, Script<'_>)] = &[
        (Protocol::Smtp, &[(b"554 no\r\n", b"")]),
        (Protocol::Smtp, &[(b"HTTP/1.1 400 Bad Request\r\n", b"")]),
        (Protocol::Imap, &[(b"* PREAUTH hello\r\n", b"")]),
        (Protocol::Pop3, &[(b"+OK\r\n", b"STLS\r\n"), (b"-ERR no\r\n", b"")]),
        (Protocol::Ftp, &[(b"220 x\r\n", b"AUTH TLS\r\n"), (b"500 no\r\n", b"")]),
        (Protocol::Nntp, &[(b"200 x\r\n", b"STARTTLS\r\n"), (b"580 no\r\n", b"")]),
        (Protocol::Sieve, &[(b"BYE \"busy\"\r\n", b"")]),
        (Protocol::Xmpp, &[(b"", xmpp_opening()), (b"<stream:error><host-unknown/>", b"")]),
        (
            Protocol::Ldap,
            &[
                (b"", binary::LDAP_START_TLS),
                (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00", b""),
            ],
        ),
        (Protocol::Ldap, &[(b"", binary::LDAP_START_TLS), (b"HTTP/1.1 400", b"")]),
        (Protocol::Postgres, &[(b"", &binary::POSTGRES_SSL_REQUEST), (b"E", b"")]),
        (Protocol::Mysql, &[(b"\x05\0\0\0\xffabcd", b"")]),
    ];
    for (protocol, script) in answered {
        assert!(matches!(play(*protocol, script, false), Err(Refusal::Answered(_))), "{protocol}");
    }
}

#[test]
fn nothing_unprotected_passes_behind_the_go_ahead() {
    let scripts: &[(Protocol, Script<'_>)] = &[
        (
            Protocol::Smtp,
            &[
                (b"220 x\r\n", b"EHLO localhost\r\n"),
                (b"250 STARTTLS\r\n", b"STARTTLS\r\n"),
                (b"220 go\r\n250 injected\r\n", b""),
            ],
        ),
        (
            Protocol::Xmpp,
            &[
                (b"", xmpp_opening()),
                (
                    b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
                    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
                ),
                (b"<proceed/>\r\n<message/>", b""),
            ],
        ),
        (Protocol::Postgres, &[(b"", &binary::POSTGRES_SSL_REQUEST), (b"SE", b"")]),
        (Protocol::Pop3, &[(b"+OK\r\n", b"STLS\r\n"), (b"+OK\r\n+", b"")]),
    ];
    for (protocol, script) in scripts {
        assert!(matches!(play(*protocol, script, false), Err(Refusal::Behind(_))), "{protocol}");
    }
}

#[test]
fn an_xmpp_stream_that_is_no_utf8_hides_nothing_behind_its_go_ahead() {
    let features: &[u8] =
        b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
    let start: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    // As a replacement character each of the two has three bytes: more than what was injected behind.
    let script: Script<'_> = &[(b"", xmpp_opening()), (features, start), (b"\xff\xff<proceed/>evil", b"")];
    assert!(matches!(play(Protocol::Xmpp, script, false), Err(Refusal::Answered(_))));
    let script: Script<'_> =
        &[(b"", xmpp_opening()), (features, start), ("<!-- \u{20ac} --><proceed/>".as_bytes(), b"")];
    for bytewise in [false, true] {
        play(Protocol::Xmpp, script, bytewise).unwrap();
    }
}

#[test]
fn what_a_server_says_is_shown_escaped_and_cut() {
    let text = Refusal::Answered(format!("\x1b]0;title\x07{}", "x".repeat(5_000))).to_string();
    assert!(text.contains("\\u{1b}]0;title\\u{7}") && text.len() < 300, "{text}");
}

#[test]
fn endless_talk_ends() {
    let mut dialogue = Dialogue::new(Protocol::Smtp, "example.org");
    let mut said = 0;
    let refusal = loop {
        match dialogue.received(b"220-on and on and on\r\n").and_then(|()| dialogue.step().map(|_| ())) {
            Ok(()) => said += 1,
            Err(refusal) => break refusal,
        }
        assert!(said < MAX_PLAINTEXT);
    };
    assert!(matches!(refusal, Refusal::TooLong));
    let mut dialogue = Dialogue::new(Protocol::Pop3, "example.org");
    dialogue.received(&[b'x'; 9_000]).unwrap();
    assert!(matches!(dialogue.step(), Err(Refusal::TooLong)));
}
