//! What devices do now: where they are connected, and what they last reported.
