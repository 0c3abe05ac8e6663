//! What a comparison says at its end, on standard error, so that standard output holds differences only.

use crate::replay::Span;
use crate::replay::progress::Progress;
use crate::replay::shadow::report::Counts;
use crate::when;

/// The counts.
pub(super) fn say(counts: &Counts, span: Span, progress: &Progress) {
    let Counts { records, compared, same, changed, added, removed, .. } = counts;
    eprint(&format!(
        "{records} raw records from {} to {}, {} a second: {compared} events and dead letters compared, {same} the same",
        when::rfc3339(span.from_ms),
        when::rfc3339(span.to_ms),
        progress.rate(*records),
    ));
    if counts.differ() {
        eprint(&format!("{changed} changed, {added} added, {removed} removed"));
    } else if *compared > 0 {
        eprint("no differences");
    }
    for (count, meaning) in [
        (counts.gone, "cannot be compared: retention has removed what was produced at the time"),
        (
            counts.undecoded,
            "cannot be compared: the decoders had not come that far when the comparison began",
        ),
        (counts.orphans, "were produced of raw records that are not there any more"),
        (
            counts.repeats,
            "were produced more than once, by a restarted decoder or a replay; the first one counts",
        ),
        (counts.repeats_differ, "of these differ from the first one"),
        (
            counts.late,
            "were produced so much later than others of their time that they were not compared; see --settle",
        ),
    ] {
        if count > 0 {
            eprint(&format!("{count} {meaning}"));
        }
    }
}

#[expect(clippy::print_stderr, reason = "for the person who gave the command, beside its result")]
pub(super) fn eprint(text: &str) {
    eprintln!("{text}");
}
