//! The outputs of a device, and how it obeys output control (docs/protocols/iotm.md): pure; times come in, as
//! milliseconds since 1970 by the device's clock.
//!
//! An output that works for a time is as before afterwards: off, or as the static signal that drives it. Records have
//! whole seconds, so a device looks at its outputs at the first whole second after it switched one.

use std::fmt;

use fleetwire_codec::iotm::output::{Act, Action, OutputControl, Polarity, Signal, UniqueId};
use fleetwire_model::Imei;

/// Outputs that telemetry tells of.
pub(crate) const OUTPUTS: usize = 4;
/// An impulse comes on the next output so much later.
const NEXT_IMPULSE_MS: i64 = 1000;

/// States of OUT1 to OUT4; true is on.
pub(crate) type States = [bool; OUTPUTS];

/// How a device's outputs are set up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wiring {
    /// Number of the output that the static signal S1 drives, 1 to 4; none if absent.
    pub s1: Option<u8>,
    /// The same for S2.
    pub s2: Option<u8>,
    /// What the device takes a function byte for.
    pub polarity: Polarity,
}

/// What a device made of something that came down to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It did what it was told.
    Executed,
    /// Its time was over.
    Expired,
    /// It has the number of the command before it.
    Repeat,
    /// It is for another device.
    OtherDevice,
    /// It is no command.
    Garbage,
}

impl Verdict {
    /// The word of the command log.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Expired => "expired",
            Self::Repeat => "repeat",
            Self::OtherDevice => "other_device",
            Self::Garbage => "garbage",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Executed => "executed",
            Self::Expired => "dropped, their time was over",
            Self::Repeat => "dropped as repeats",
            Self::OtherDevice => "ignored, they were for another device",
            Self::Garbage => "ignored, they were no commands",
        })
    }
}

/// What an output does for a time.
#[derive(Debug, Clone, Copy)]
struct Timed {
    from_ms: i64,
    until_ms: i64,
    on: bool,
}

/// The outputs of one device; they outlive its connections.
#[derive(Debug)]
pub(crate) struct Outputs {
    imei: Imei,
    wiring: Wiring,
    last: Option<UniqueId>,
    signals: [bool; 2],
    timed: [Option<Timed>; OUTPUTS],
    /// Until when everything that happens by itself has happened.
    now_ms: i64,
    /// When a record is due because something was switched.
    record_ms: Option<i64>,
}

impl Outputs {
    /// Everything is off, and no command came yet.
    pub(crate) const fn new(imei: Imei, wiring: Wiring) -> Self {
        let (signals, timed) = ([false; 2], [None; OUTPUTS]);
        Self { imei, wiring, last: None, signals, timed, now_ms: 0, record_ms: None }
    }

    /// The device's answer to a payload on its command topic. [`Self::pass`] must have come up to this instant.
    pub(crate) fn obey(&mut self, payload: &[u8], now_ms: i64) -> (Verdict, Option<OutputControl>) {
        let Ok(command) = OutputControl::parse(payload, self.wiring.polarity) else {
            return (Verdict::Garbage, None);
        };
        let verdict = match command.imei {
            // Only over Bluetooth is it left out.
            None => Verdict::Garbage,
            Some(imei) if imei != self.imei => Verdict::OtherDevice,
            Some(_) if now_ms > i64::from(command.expires) * 1000 => Verdict::Expired,
            Some(_) if self.last == Some(command.unique_id) => Verdict::Repeat,
            Some(_) => {
                self.last = Some(command.unique_id);
                self.now_ms = self.now_ms.max(now_ms);
                self.execute(command.action, now_ms);
                self.switched();
                Verdict::Executed
            }
        };
        (verdict, Some(command))
    }

    fn execute(&mut self, action: Action, now_ms: i64) {
        let (output, function, duration) = match action {
            Action::Latched { signal, on } => return self.latch(signal, on),
            Action::Timed { output, function, duration } => (output, function, duration.duration()),
        };
        if let Some(on) = function.s1 {
            self.latch(Signal::S1, on);
        }
        let long_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let place = usize::from(output.id());
        let mut set = |place: usize, from_ms: i64, on: bool| {
            if let Some(slot) = self.timed.get_mut(place) {
                *slot = Some(Timed { from_ms, until_ms: from_ms.saturating_add(long_ms), on });
            }
        };
        match function.act {
            Act::Off => set(place, now_ms, false),
            // Lamps that flash are on as far as telemetry goes.
            Act::On | Act::HazardLamps => set(place, now_ms, true),
            Act::Impulse => {
                set(place, now_ms, true);
                set(place + 1, now_ms + NEXT_IMPULSE_MS, true);
            }
        }
    }

    fn latch(&mut self, signal: Signal, on: bool) {
        let [s1, s2] = &mut self.signals;
        *match signal {
            Signal::S1 => s1,
            Signal::S2 => s2,
        } = on;
    }

    /// The states of this instant.
    pub(crate) fn states(&self) -> States {
        let mut states = [false; OUTPUTS];
        let drives = self.signals.into_iter().zip([self.wiring.s1, self.wiring.s2]);
        for (on, output) in drives {
            let state = output.and_then(|number| states.get_mut(usize::from(number).checked_sub(1)?));
            if let Some(state) = state {
                *state |= on;
            }
        }
        for (state, timed) in states.iter_mut().zip(self.timed) {
            let runs = |timed: &Timed| (timed.from_ms..timed.until_ms).contains(&self.now_ms);
            if let Some(timed) = timed.filter(runs) {
                *state = timed.on;
            }
        }
        states
    }

    /// Something was switched at this instant.
    fn switched(&mut self) {
        self.record_ms.get_or_insert((self.now_ms.div_euclid(1000) + 1) * 1000);
    }

    /// When something happens by itself next.
    pub(crate) fn next_change_ms(&self) -> Option<i64> {
        let edges = self.timed.iter().flatten().flat_map(|timed| [timed.from_ms, timed.until_ms]);
        edges.filter(|edge| *edge > self.now_ms).chain(self.record_ms).min()
    }

    /// Lets time pass until a record is due, whose time is told, or until now, whatever is first. The states are those
    /// of that instant.
    pub(crate) fn pass(&mut self, now_ms: i64) -> Option<i64> {
        while let Some(next_ms) = self.next_change_ms().filter(|next| *next <= now_ms) {
            let before = self.states();
            self.now_ms = self.now_ms.max(next_ms);
            if self.record_ms.take_if(|due| *due <= next_ms).is_some() {
                return Some(next_ms);
            }
            if self.states() != before {
                self.switched();
            }
        }
        self.now_ms = self.now_ms.max(now_ms);
        None
    }
}

#[cfg(test)]
mod tests;
