//! MQTT 3.1.1, by chapter.

mod connack;
mod connect;
mod data;
mod disconnect;
mod operation;
mod publish;
mod session;
mod subscribe;
mod websocket;
