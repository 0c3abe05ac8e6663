//! A fleet that comes back at once.

use std::time::Duration;

use fleetwire_mqtt::packet::Level;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::support::{connect, house};

const FLEET: usize = 2000;

/// Connects and stays.
async fn device(address: std::net::SocketAddr, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&connect(Level::V311, &format!("{number:015}"))).await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_clients_of_one_address_are_all_in_again_with_the_defaults() {
    let house = house(|_| {});
    for _ in 0..2 {
        let mut fleet = JoinSet::new();
        for number in 0..FLEET {
            fleet.spawn(device(house.address, number));
        }
        let all = timeout(Duration::from_secs(30), fleet.join_all()).await.unwrap();
        assert_eq!(all.len(), FLEET);
        assert_eq!(house.sessions.len(), FLEET);
        assert_eq!(house.notes.count("turned_away connections"), 0);
    }
}
