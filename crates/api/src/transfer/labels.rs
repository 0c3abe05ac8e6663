//! Labels in one value of a CSV line: `key=value;key=value`, with a backslash before a `;`, `=` or `\` that is part of
//! one of them.

use std::collections::BTreeMap;

/// Labels as one value.
pub(crate) fn write<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let mut text = String::new();
    for (key, value) in labels {
        if !text.is_empty() {
            text.push(';');
        }
        escape(key, &mut text);
        text.push('=');
        escape(value, &mut text);
    }
    text
}

fn escape(part: &str, text: &mut String) {
    for character in part.chars() {
        if matches!(character, ';' | '=' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
}

/// The labels of a value.
pub(crate) fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    let (mut key, mut part) = (None, String::new());
    let mut characters = text.chars();
    loop {
        match characters.next() {
            Some('\\') => part.push(characters.next().ok_or("it ends with a backslash")?),
            Some('=') if key.is_none() => key = Some(std::mem::take(&mut part)),
            Some('=') => return Err(format!("put a backslash before the second `=` of `{text}`")),
            end @ (Some(';') | None) => {
                let value = std::mem::take(&mut part);
                match key.take() {
                    Some(key) => {
                        if labels.insert(key.clone(), value).is_some() {
                            return Err(format!("the label `{key}` comes twice"));
                        }
                    }
                    None if value.trim().is_empty() => {}
                    None => return Err(format!("`{value}` is no key=value")),
                }
                if end.is_none() {
                    return Ok(labels);
                }
            }
            Some(other) => part.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_survive_the_way_through_a_value() {
        let pairs = [("vehicle", "truck"), ("a=b", "c;d"), ("e\\", ""), ("ü", "\\=;")];
        let labels = BTreeMap::from(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(read(&write(&labels)).unwrap(), labels);
        assert_eq!(write(&BTreeMap::from([("k".to_owned(), "v".to_owned())])), "k=v");
    }

    #[test]
    fn what_is_no_list_of_labels_is_refused() {
        assert_eq!(read("").unwrap(), BTreeMap::new());
        assert_eq!(read("a=1;").unwrap().len(), 1);
        for bad in ["a", "a=1;b", "a=1=2", "a=1\\", "a=1;a=2"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
