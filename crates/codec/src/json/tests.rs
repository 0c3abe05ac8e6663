//! The scanner against serde_json, by captured shapes and by generated text.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// The value as serde_json would have it; `None` for a number that it does not take.
fn value(document: Document<'_>, node: u32) -> Option<Value> {
    Some(match document.kind(node)? {
        Kind::Object => {
            let mut map = serde_json::Map::new();
            for (name, member) in document.members(node) {
                map.insert(name.into_owned(), value(document, member)?);
            }
            map.into()
        }
        Kind::Array => document
            .elements(node)
            .map(|element| value(document, element))
            .collect::<Option<Vec<_>>>()?
            .into(),
        Kind::Null => Value::Null,
        Kind::Key => panic!("a key is no value"),
        _ => match document.scalar(node)? {
            Scalar::Bool(on) => on.into(),
            Scalar::Number(digits) => serde_json::from_str(digits).ok()?,
            Scalar::Text(text) => text.into_owned().into(),
        },
    })
}

fn compare(text: &str) {
    let mut nodes = Vec::new();
    let ours = scan(text, &mut nodes);
    let theirs = serde_json::from_str::<Value>(text);
    match (ours, theirs) {
        (Ok(()), Ok(theirs)) => {
            let document = Document::new(text, &nodes);
            assert_eq!(value(document, Document::ROOT), Some(theirs), "{text:?}");
        }
        (Ok(()), Err(error)) => {
            let message = error.to_string();
            let known = ["out of range", "surrogate", "hex escape"];
            assert!(known.iter().any(|known| message.contains(known)), "{text:?}: {message}");
        }
        (Err(error), theirs) => {
            assert!(theirs.is_err(), "{text:?}: {error:?}");
            assert!(error.offset <= text.len());
        }
    }
}

#[test]
fn what_serde_json_reads_is_read_the_same() {
    for text in [
        "{}",
        "[]",
        "[[],{}]",
        " 1 ",
        "-0",
        "-0.5e+3",
        "1E-2",
        "01",
        "-",
        "1.",
        "1.e",
        "1e",
        "+1",
        ".5",
        "0x1",
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":[1,2,{"c":null}]},"d":"e"}"#,
        r#""\u00e9\ud83d\ude00\n\/""#,
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\u12""#,
        r#""\x""#,
        "\"a\u{1}b\"",
        "\"a\u{7f}b\"",
        "[1,]",
        "[,1]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        "{a:1}",
        r#"{"a":1,}"#,
        "[1 2]",
        "[1}",
        "{\"a\":1]",
        "tru",
        "trueX",
        "nullnull",
        "\u{feff}{}",
        "",
        " ",
        "\"",
        "\"\\",
        "\"\\u",
        "1e999",
        "18446744073709551616",
        "[1]]",
        "\u{b}1",
    ] {
        compare(text);
    }
}

#[test]
fn depth_is_bounded_where_serde_json_stops() {
    for depth in [1, MAX_DEPTH, MAX_DEPTH + 1, 100_000] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        let mut nodes = Vec::new();
        assert_eq!(scan(&text, &mut nodes).is_ok(), depth <= MAX_DEPTH);
        assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), depth <= MAX_DEPTH);
        assert!(nodes.len() <= MAX_DEPTH);
    }
}

#[test]
fn every_value_knows_its_place() {
    let text = r#" {"a" : [ 12 , "x\n" ] , "b":{"c": true}} "#;
    let mut nodes = Vec::new();
    scan(text, &mut nodes).unwrap();
    let document = Document::new(text, &nodes);
    let members: Vec<_> = document
        .members(Document::ROOT)
        .map(|(name, node)| (name.into_owned(), document.raw(node)))
        .collect();
    assert_eq!(members, [("a".into(), r#"[ 12 , "x\n" ]"#), ("b".into(), r#"{"c": true}"#)]);
    let (_, list) = document.members(Document::ROOT).next().unwrap();
    assert_eq!(
        document.elements(list).map(|node| document.raw(node)).collect::<Vec<_>>(),
        ["12", r#""x\n""#]
    );
    assert_eq!(document.members(list).count() + document.elements(Document::ROOT).count(), 0);
}

/// Any JSON, a few levels deep.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn generated_json_is_read_the_same(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        compare(&text.unwrap());
    }

    #[test]
    fn mutated_json_is_read_the_same(
        value in json(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"{}[],:\"\\tn0-.eu \x01".to_vec())), 1..6),
    ) {
        let mut bytes = serde_json::to_vec(&value).unwrap();
        for (index, byte) in changes {
            let place = index.index(bytes.len());
            bytes[place] = byte;
        }
        compare(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text_is_read_the_same(text in r#"[{}\[\],:"\\tfnul0-9.eE+ \-]{0,40}"#) {
        compare(&text);
    }
}
