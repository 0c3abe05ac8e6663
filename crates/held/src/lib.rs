//! Devices that nobody activated: who is knocking, and the release of what is held for them.
