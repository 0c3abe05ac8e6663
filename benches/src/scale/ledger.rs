//! What devices published and what they were promised.

/// One publish.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Published {
    /// Its PUBACK came.
    pub(super) acknowledged: bool,
    /// How often it was written to a connection.
    pub(super) written: u32,
}

/// What one device did.
#[derive(Debug, Default, Clone)]
pub(super) struct DeviceLedger {
    /// By number.
    pub(super) publishes: Vec<Published>,
    /// Sessions that were opened.
    pub(super) sessions: u64,
    /// Answers that said no; those publishes were sent again.
    pub(super) refused: u64,
    /// Answers that came in another order than their publishes.
    pub(super) answers_out_of_order: u64,
    /// Sessions whose server said "use another server".
    pub(super) sent_elsewhere: u64,
    /// Sessions that were opened at the server that was referred to.
    pub(super) referred: u64,
}

/// What the whole fleet did.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    pub(super) devices: Vec<DeviceLedger>,
}

impl Ledger {
    /// Notes a promise that nobody made, so that a test can see the comparison fail.
    pub fn pretend_acknowledged(&mut self, device: usize) {
        if let Some(device) = self.devices.get_mut(device) {
            device.publishes.push(Published { acknowledged: true, written: 1 });
        }
    }

    pub(super) fn sum(&self, of: impl Fn(&DeviceLedger) -> u64) -> u64 {
        self.devices.iter().map(of).sum()
    }
}
