//! Keeps `docs/mqtt-conformance.md` honest: every statement once, every test that it names there, and every test
//! in it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A standard: its heading on the page, the folder of its tests, and the statements that it numbers.
struct Standard {
    heading: &'static str,
    folder: &'static str,
    statements: usize,
}

const STANDARDS: [Standard; 2] = [
    Standard { heading: "## MQTT 3.1.1", folder: "v311", statements: 141 },
    Standard { heading: "## MQTT 5.0", folder: "v5", statements: 251 },
];

fn package() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Rows of a standard's table: id, verdict, and the tests that it names.
fn rows(page: &str, heading: &str) -> Vec<(String, String, BTreeSet<String>)> {
    let section = page.split_once(&format!("{heading}\n")).expect(heading).1;
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let lines = section.lines().filter(|line| line.starts_with("| MQTT-"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [id, short, verdict] = cells[..] else { panic!("three cells: {line}") };
            assert!(!short.is_empty(), "{line}");
            let tests = verdict.split('`').filter(|word| word.starts_with("mqtt_")).map(str::to_owned);
            (id.to_owned(), verdict.to_owned(), tests.collect())
        })
        .collect()
}

/// Names of the tests in the sources of a standard.
fn tests(folder: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in fs::read_dir(package().join("tests/conformance").join(folder)).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        let after = source.split("#[tokio::test]\nasync fn ").skip(1);
        names.extend(after.map(|rest| rest.split_once('(').unwrap().0.to_owned()));
        assert_eq!(
            source.matches("::test]").count(),
            source.matches("#[tokio::test]\nasync fn mqtt_").count()
        );
    }
    names
}

fn page() -> String {
    fs::read_to_string(Path::new(&package()).join("../../docs/mqtt-conformance.md")).unwrap()
}

#[test]
fn every_statement_has_one_row_and_every_test_is_in_one() {
    let page = page();
    for Standard { heading, folder, statements } in STANDARDS {
        let (rows, tests) = (rows(&page, heading), tests(folder));
        let ids: BTreeSet<_> = rows.iter().map(|(id, ..)| id).collect();
        assert_eq!(ids.len(), rows.len(), "{heading}: an id stands there twice");
        assert_eq!(rows.len(), statements, "{heading}: rows, statements");
        let named: BTreeSet<_> = rows.iter().flat_map(|(.., tests)| tests.clone()).collect();
        assert_eq!(named.difference(&tests).collect::<Vec<_>>(), [""; 0], "{heading}: no such test");
        assert_eq!(tests.difference(&named).collect::<Vec<_>>(), [""; 0], "{heading}: in no row");
    }
}

#[test]
fn every_verdict_is_one_of_three_and_has_what_stands_behind_it() {
    let page = page();
    for Standard { heading, .. } in STANDARDS {
        for (id, verdict, tests) in rows(&page, heading) {
            let (kind, behind) = verdict.split_once(": ").expect(&id);
            match kind {
                "holds" => assert!(!tests.is_empty(), "{id}: without a test"),
                "not applicable" | "deliberately different" => {
                    assert!(behind.len() > 5, "{id}: without a reason");
                }
                _ => panic!("{id}: {kind}"),
            }
        }
    }
}
