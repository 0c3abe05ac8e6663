//! MQTT 5.0, by chapter.

mod acks;
mod auth;
mod connack;
mod connect;
mod connect_properties;
mod data;
mod disconnect;
mod listening;
mod operation;
mod properties;
mod publish;
mod session;
mod subscribe;
mod topic_alias;
mod websocket;
