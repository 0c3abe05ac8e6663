//! Chapter 3.3.2.3.4: topic aliases of the client.

use crate::{
    desk::{house, house_with},
    wire::*,
};

fn aliased(topic: &str, alias: u16) -> Vec<u8> {
    let [high, low] = alias.to_be_bytes();
    publish_with(V5, 0, topic, 0, (&[0x23, high, low], b"x"))
}

#[tokio::test]
async fn mqtt_3_3_2_7_an_alias_ends_with_its_connection() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.send(&[aliased("d/x", 1), aliased("", 1)].concat()).await;
    for _ in 0..2 {
        assert_eq!(&*stored(&house).await.topic, "d/x");
    }
    let (mut client, _) = Client::enter(&house, &Connect { clean: false, ..Connect::new(V5) }).await;
    client.send(&aliased("", 1)).await;
    client.ended(0x94, "alias of another connection").await;
    assert!(house.store.is_empty().await);
}

#[tokio::test]
async fn mqtt_3_3_2_8_an_alias_is_not_zero() {
    let house = house();
    breach(&house, V5, &aliased("d/x", 0), 0x94, "with a topic").await;
    breach(&house, V5, &aliased("", 0), 0x94, "without").await;
    assert!(house.store.is_empty().await);
}

#[tokio::test]
async fn mqtt_3_3_2_9_an_alias_beyond_the_announced_maximum_closes_the_connection() {
    let house = house_with(|settings| settings.limits.max_topic_aliases = 3);
    breach(&house, V5, &aliased("d/x", 4), 0x94, "4 of 3").await;
    breach(&house, V5, &aliased("d/x", 0xFFFF), 0x94, "the highest").await;
    let none = house_with(|settings| settings.limits.max_topic_aliases = 0);
    let (_, body) = Client::enter(&none, &Connect::new(V5)).await;
    assert!(find(&cut_connack(&body).2, 0x22).is_none_or(|maximum| maximum == [0, 0]));
    breach(&none, V5, &aliased("d/x", 1), 0x94, "1 of none").await;
    assert!(house.store.is_empty().await && none.store.is_empty().await);
}

#[tokio::test]
async fn mqtt_3_3_2_12_every_alias_up_to_the_announced_maximum_is_taken() {
    let house = house();
    let (mut client, body) = Client::enter(&house, &Connect::new(V5)).await;
    let list = cut_connack(&body).2;
    let maximum = find(&list, 0x22).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]])).unwrap();
    assert!(maximum > 0);
    for alias in (1..=maximum).rev() {
        client.send(&aliased(&format!("d/{alias}"), alias)).await;
        assert_eq!(&*stored(&house).await.topic, format!("d/{alias}"));
    }
    for alias in 1..=maximum {
        client.send(&aliased("", alias)).await;
        assert_eq!(&*stored(&house).await.topic, format!("d/{alias}"));
    }
    // An alias may be given another topic; one that was never given has none.
    client.send(&[aliased("d/other", 1), aliased("", 1)].concat()).await;
    for _ in 0..2 {
        assert_eq!(&*stored(&house).await.topic, "d/other");
    }
    breach(&house, V5, &aliased("", 1), 0x94, "never given").await;
}
