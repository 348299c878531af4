use std::time::Duration;

use openschannel::alert::{Alert, AlertDescription};

use super::super::http::ResponseSeen;
use super::super::seen::PeerClose;
use super::*;

const PLAIN: PeerClose = PeerClose { level: 1, pieces: 1, after: Duration::from_millis(3) };
const TLS12: bool = false;
const TLS13: bool = true;

fn seen(close: Option<PeerClose>, end: End) -> Seen {
    Seen { close, end, ..Seen::default() }
}

fn in_order() -> Seen {
    seen(Some(PLAIN), End::Fin)
}

/// Every way to end, from the best to the worst.
fn ways() -> [Seen; 7] {
    [
        in_order(),
        seen(Some(PLAIN), End::Open),
        seen(Some(PLAIN), End::Reset),
        seen(None, End::Fin),
        Seen { alert: Some(Alert::fatal(AlertDescription::INTERNAL_ERROR)), ..seen(None, End::Fin) },
        seen(None, End::Reset),
        seen(None, End::Open),
    ]
}

fn with_response(seen: Seen, status: u16, complete: bool, body: u64) -> Seen {
    let response = ResponseSeen { status, complete, body, ..ResponseSeen::default() };
    Seen { response: Some(response), data: body + 50, ..seen }
}

fn verdicts(judge: impl Fn(&Seen) -> Judgement, seen: &[Seen]) -> Vec<Verdict> {
    seen.iter().map(|seen| judge(seen).verdict).collect()
}

use Verdict::{Bad, Good, NotApplicable, Tolerable};

#[test]
fn the_answer_to_a_close() {
    assert_eq!(verdicts(answer, &ways()), [Good, Tolerable, Tolerable, Tolerable, Bad, Bad, Bad]);
    assert_eq!(answer(&in_order()).finding, "close_notify, then FIN");
    assert_eq!(answer(&seen(None, End::Fin)).finding, "FIN without close_notify");
}

#[test]
fn a_close_notify_that_is_not_like_others() {
    for (close, words) in [
        (PeerClose { level: 2, ..PLAIN }, "close_notify of level fatal, then FIN"),
        (PeerClose { pieces: 24, ..PLAIN }, "close_notify in 24 pieces, then FIN"),
        (PeerClose { after: Duration::from_millis(2_600), ..PLAIN }, "close_notify after 2.6 s, then FIN"),
    ] {
        let seen = seen(Some(close), End::Fin);
        for judgement in [answer(&seen), own_end(&seen)] {
            assert_eq!((judgement.verdict, judgement.finding.as_str()), (Tolerable, words));
        }
    }
    // A boundary of TCP's may lie anywhere.
    assert_eq!(answer(&seen(Some(PeerClose { pieces: 2, ..PLAIN }), End::Fin)).verdict, Good);
}

#[test]
fn what_breaks_the_record_layer_is_bad_everywhere() {
    let behind = Seen { behind_close: 62, ..in_order() };
    let broken = Seen { broken: Some("bad_record_mac".to_owned()), ..seen(None, End::Fin) };
    for seen in [behind, broken] {
        let ordinary = in_order();
        for judgement in [
            answer(&seen),
            variant(&seen, Some(&ordinary)),
            own_end(&seen),
            half_close(&with_response(seen.clone(), 200, true, 10), 10, TLS13),
            idle_end(&seen, 40.0),
        ] {
            assert_eq!(judgement.verdict, Bad, "{}", judgement.finding);
        }
    }
    let inside = Seen { inside_record: true, ..seen(None, End::Fin) };
    assert_eq!((answer(&inside).verdict, own_end(&inside).verdict), (Bad, Bad));
    assert_eq!(answer(&inside).finding, "FIN in the middle of a record");
}

#[test]
fn variants_are_measured_by_the_ordinary_answer() {
    for (i, ordinary) in ways().iter().enumerate() {
        for (j, seen) in ways().iter().enumerate() {
            let verdict = variant(seen, Some(ordinary)).verdict;
            if j <= i {
                assert_eq!(verdict, Good, "{} against {}", seen.words(), ordinary.words());
            } else {
                assert_eq!(verdict, answer(seen).verdict, "{} against {}", seen.words(), ordinary.words());
            }
        }
    }
    assert_eq!(variant(&in_order(), None).verdict, NotApplicable);
    // That half a record comes is no better for coming before the same FIN.
    let inside = Seen { inside_record: true, ..seen(None, End::Fin) };
    assert_eq!(variant(&inside, Some(&seen(None, End::Fin))).verdict, Bad);
}

#[test]
fn an_end_of_the_servers_own() {
    let framed: Vec<Seen> = ways().into_iter().map(|seen| with_response(seen, 200, true, 19)).collect();
    assert_eq!(verdicts(own_end, &framed), [Good, Tolerable, Tolerable, Bad, Bad, Bad, Bad]);
    let cut = own_end(&with_response(in_order(), 200, false, 7));
    assert_eq!(
        (cut.verdict, cut.finding.as_str()),
        (Bad, "the response is cut at 7 bytes; close_notify, then FIN")
    );
    let response = ResponseSeen { status: 200, close_delimited: true, body: 7, ..ResponseSeen::default() };
    let lengthless = own_end(&Seen { response: Some(response), ..seen(None, End::Fin) });
    assert_eq!(lengthless.verdict, Bad);
    assert!(lengthless.finding.contains("nobody can tell"), "{}", lengthless.finding);
}

#[test]
fn an_idle_end_hides_no_cut_behind_a_whole_response() {
    let whole: Vec<Seen> = ways().into_iter().map(|seen| with_response(seen, 200, true, 19)).collect();
    let judge = |seen: &Seen| idle_end(seen, 40.0);
    assert_eq!(
        verdicts(judge, &whole),
        [Good, Tolerable, Tolerable, Tolerable, Tolerable, Bad, NotApplicable]
    );
    let late = PeerClose { after: Duration::from_secs(30), ..PLAIN };
    assert_eq!(judge(&seen(Some(late), End::Fin)).verdict, Good, "an idle end comes when it comes");
    assert_eq!(judge(&seen(None, End::Fin)).verdict, Bad, "without HTTP nothing says that all was there");
}

#[test]
fn half_close_delivers_or_says_that_it_does_not() {
    let whole = |seen: Seen| with_response(seen, 200, true, 1000);
    let part = |seen: Seen| with_response(seen, 200, false, 400);
    for version in [TLS12, TLS13] {
        let judge = |seen: &Seen| half_close(seen, 1000, version);
        let delivered = verdicts(judge, &ways().map(whole));
        assert_eq!(delivered, [Good, Good, Tolerable, Tolerable, Tolerable, Tolerable, Tolerable]);
        // A part that is taken for the whole: without a length, the close_notify completes it.
        assert_eq!(judge(&with_response(in_order(), 200, true, 400)).verdict, Bad);
    }
    let parts = ways().map(part);
    assert_eq!(
        verdicts(|seen| half_close(seen, 1000, TLS12), &parts),
        [Good, Good, Tolerable, Bad, Bad, Tolerable, Bad]
    );
    assert_eq!(
        verdicts(|seen| half_close(seen, 1000, TLS13), &parts),
        [Tolerable, Tolerable, Tolerable, Bad, Bad, Bad, Bad]
    );
    let nothing = half_close(&in_order(), 1000, TLS13);
    assert_eq!(
        (nothing.verdict, nothing.finding.as_str()),
        (Tolerable, "no response; close_notify, then FIN")
    );
}

#[test]
fn data_behind_the_end_is_neither_answered_nor_punished() {
    let ordinary = in_order();
    let judge = |seen: &Seen| data_behind(seen, Some(&ordinary));
    assert_eq!(verdicts(judge, &ways()), [Good, Tolerable, Tolerable, Tolerable, Tolerable, Tolerable, Bad]);
    for answered in ways() {
        assert_eq!(judge(&Seen { data: 100, ..answered }).verdict, Bad);
    }
    let page = Seen { data: 100, ..in_order() };
    assert_eq!(data_behind(&page, Some(&page)).verdict, Good, "it is the answer to the close");
    assert_eq!(data_behind(&Seen { data: 101, ..in_order() }, Some(&page)).verdict, Bad);
    let never = seen(None, End::Open);
    assert_eq!(data_behind(&never, Some(&never)).verdict, Good, "it is ignored like the close before it");
}

#[test]
fn a_fatal_close_ends_one_way_or_the_other() {
    let ordinary = in_order();
    let judge = |version| move |seen: &Seen| fatal_close(seen, Some(&in_order()), version);
    assert_eq!(verdicts(judge(TLS12), &ways()), [Good, Tolerable, Tolerable, Good, Tolerable, Good, Bad]);
    assert_eq!(
        verdicts(judge(TLS13), &ways()),
        [Good, Tolerable, Tolerable, Tolerable, Tolerable, Tolerable, Bad]
    );
    assert_eq!(fatal_close(&in_order(), Some(&ordinary), TLS13).verdict, Good);
}

#[test]
fn a_fatal_alert_ends_everything() {
    assert_eq!(verdicts(fatal_alert, &ways()), [Good, Bad, Good, Good, Good, Good, Bad]);
    let answered = |status| fatal_alert(&with_response(in_order(), status, true, 100)).verdict;
    assert_eq!((answered(200), answered(400)), (Bad, Tolerable));
    let kept = with_response(seen(None, End::Open), 400, true, 100);
    assert_eq!(fatal_alert(&kept).verdict, Bad);
}

#[test]
fn a_cancelled_handshake_is_let_go() {
    let ends = [End::Fin, End::Reset, End::Open].map(|end| seen(None, end));
    assert_eq!(verdicts(cancel, &ends), [Good, Good, Bad]);
}

#[test]
fn a_reset_is_worth_what_it_can_destroy() {
    let whole = ways().map(|seen| with_response(seen, 200, true, 19));
    assert_eq!(verdicts(unread_upload, &whole), [Good, Good, Tolerable, Good, Good, Tolerable, Good]);
    let part = ways().map(|seen| with_response(seen, 200, false, 7));
    assert_eq!(verdicts(unread_upload, &part), [Good, Good, Bad, Good, Good, Bad, NotApplicable]);
    let download = |version| move |seen: &Seen| unread_download(seen, version);
    assert_eq!(verdicts(download(TLS13), &part)[..4], [Tolerable, Tolerable, Bad, Tolerable]);
    assert_eq!(verdicts(download(TLS12), &part)[..4], [Good, Good, Tolerable, Good]);
    assert_eq!(verdicts(download(TLS13), &part)[5..], [Bad, Bad]);
    assert_eq!(verdicts(download(TLS13), &whole)[..4], [Good, Good, Tolerable, Good]);
}

#[test]
fn resumption_needs_a_server_that_resumes() {
    let verdicts = [(true, None), (false, Some(true)), (false, Some(false)), (false, None)]
        .map(|(behind_cut, control)| resumption(behind_cut, control).verdict);
    assert_eq!(verdicts, [Good, Tolerable, NotApplicable, NotApplicable]);
}

#[test]
fn a_server_that_never_stops_sending() {
    let for_ever = Seen { endless: true, data: 1 << 20, ..seen(None, End::Open) };
    assert_eq!(answer(&for_ever).verdict, Bad, "who closes waits for nothing");
    let response = with_response(for_ever.clone(), 200, false, 1 << 20);
    for judgement in [
        own_end(&response),
        half_close(&response, 5, TLS13),
        unread_upload(&response),
        unread_download(&response, TLS13),
        data_behind(&for_ever, Some(&for_ever)),
    ] {
        assert_eq!(judgement.verdict, NotApplicable, "{}", judgement.finding);
    }
    // What came behind a close_notify is no response.
    let behind = Seen { endless: true, behind_close: 1 << 20, ..seen(Some(PLAIN), End::Open) };
    assert_eq!(own_end(&behind).verdict, Bad);
}

#[test]
fn a_reset_for_what_lay_unread_behind_the_close_harms_nobody() {
    let (ordinary, reset) = (in_order(), seen(None, End::Reset));
    for judgement in [data_behind(&reset, Some(&ordinary)), double_close(&reset, Some(&ordinary))] {
        assert_eq!(judgement.verdict, Tolerable, "{}", judgement.finding);
    }
    assert_eq!(double_close(&reset, Some(&reset)).verdict, Good, "as to any close_notify");
    assert_eq!(double_close(&seen(None, End::Open), Some(&ordinary)).verdict, Bad);
}
