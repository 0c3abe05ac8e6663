//! Decoding raw records again: this build's decoder, who is wanted, where the output goes, what was counted.

use anyhow::Result;
use fleetwire_decoder::interpret::RawRecord;

use crate::replay::filter::Filter;
use crate::replay::sink::Sink;
use crate::replay::tally::Tally;
use crate::replay::today::Today;

/// A replay on its way.
#[derive(Debug)]
pub(crate) struct Again {
    today: Today,
    filter: Filter,
    sink: Sink,
    /// What it has done so far.
    pub(crate) tally: Tally,
}

impl Again {
    /// Nothing is decoded yet.
    pub(crate) fn new(today: Today, filter: Filter, sink: Sink) -> Self {
        let filter = filter.by(today.devices());
        Self { today, filter, sink, tally: Tally::default() }
    }

    /// Decodes one raw record, if it may hold something that is wanted.
    pub(crate) fn one(&mut self, raw: RawRecord<'_>) -> Result<()> {
        let Self { today, filter, sink, tally } = self;
        if !filter.wants_raw(raw.key, raw.value) {
            return Ok(());
        }
        let before = tally.all_events();
        today.decode(raw, |made| {
            // Dead letters of a client that speaks for many devices are nobody's.
            if !filter.wants(made.key) {
                return Ok(());
            }
            tally.made(&made);
            sink.put(made)
        })?;
        tally.record(tally.all_events() - before);
        Ok(())
    }

    /// Waits until everything is where it belongs.
    pub(crate) fn finish(self) -> Result<Tally> {
        let Self { sink, mut tally, .. } = self;
        tally.written = sink.finish()?;
        Ok(tally)
    }
}
