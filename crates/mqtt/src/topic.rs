//! Topic names and filters: well-formedness, matching, and whether one filter lies inside another.

use bytestring::ByteString;

use crate::packet::PacketError;

/// Checks a topic name: not empty, no wildcard. U+0000 is checked where text is read.
pub fn check_name(name: &str) -> Result<(), PacketError> {
    if name.is_empty() || name.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0)) {
        return Err(PacketError::TopicName);
    }
    Ok(())
}

/// Checks a topic filter: not empty, wildcards alone in their level, `#` only at the end.
pub fn check_filter(filter: &str) -> Result<(), PacketError> {
    if filter.is_empty() || filter.contains('\0') {
        return Err(PacketError::TopicFilter);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let alone = level.len() == 1;
        let wild = level.contains(['+', '#']);
        if wild && !alone || level == "#" && levels.peek().is_some() {
            return Err(PacketError::TopicFilter);
        }
    }
    Ok(())
}

/// Whether a filter asks for a shared subscription.
pub fn is_shared(filter: &str) -> bool {
    filter == "$share" || filter.starts_with("$share/")
}

/// A well-formed topic filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicFilter(ByteString);

/// A client id that would change the meaning of a pattern it is filled into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The client id is empty or holds `/`, `+`, `#`, `$` or U+0000.
    #[error("client id does not fit into a topic pattern")]
    ClientId,
    /// The pattern is no topic filter.
    #[error("pattern is no topic filter")]
    Pattern,
}

impl TopicFilter {
    /// Checks a filter.
    pub fn parse(filter: impl Into<ByteString>) -> Result<Self, PacketError> {
        let filter = filter.into();
        check_filter(&filter)?;
        Ok(Self(filter))
    }

    /// Puts a client id in the place of each `%c` of `pattern`, such as `%c/OUTC`.
    ///
    /// A client id that could reach into other topics is refused, so that no device widens its own grant.
    pub fn fill(pattern: &str, client_id: &str) -> Result<Self, FillError> {
        if client_id.is_empty() || client_id.contains(['/', '+', '#', '$', '\0']) {
            return Err(FillError::ClientId);
        }
        Self::parse(pattern.replace("%c", client_id)).map_err(|_| FillError::Pattern)
    }

    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a topic name is one of those that this filter means.
    pub fn matches(&self, name: &str) -> bool {
        // A checked name has no wildcards, so as a filter it covers itself alone.
        self.covers(name)
    }

    /// Whether every topic that `filter` means is also meant by this one.
    pub fn covers(&self, filter: &str) -> bool {
        matches(&self.0, filter)
    }

    /// Whether some topic is meant by both filters.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (self.as_str(), other.as_str());
        // A wildcard in the first level does not reach topics that begin with `$`.
        let hidden = |filter: &str, other: &str| filter.starts_with('$') && other.starts_with(['+', '#']);
        if hidden(one, two) || hidden(two, one) {
            return false;
        }
        let (mut one, mut two) = (one.split('/'), two.split('/'));
        loop {
            match (one.next(), two.next()) {
                // `a/#` means `a` as well.
                (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
                (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
                (Some(own), Some(level)) if own == level => {}
                _ => return false,
            }
        }
    }
}

/// Whether `filter` reaches all of `asked`, a topic name or another filter. Both must be well-formed.
pub(crate) fn matches(filter: &str, asked: &str) -> bool {
    if filter.starts_with(['+', '#']) && asked.starts_with('$') {
        return false;
    }
    let mut ours = filter.split('/');
    let mut theirs = asked.split('/');
    loop {
        match (ours.next(), theirs.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(own), Some(level)) if own == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &'static str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }

    #[test]
    fn a_filter_has_its_wildcards_alone_in_a_level() {
        for good in ["a", "/", "a/b", "+", "#", "a/+/b", "a/#", "+/+", "é/x", "$share/g/a"] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in ["", "a#", "a/#/b", "#/a", "+a", "a+/b", "a\0"] {
            assert_eq!(check_filter(bad), Err(PacketError::TopicFilter), "{bad}");
        }
    }

    #[test]
    fn a_name_has_no_wildcard() {
        for bad in ["", "#", "+", "a/#", "+/x", "a\0"] {
            assert_eq!(check_name(bad), Err(PacketError::TopicName), "{bad}");
        }
        assert_eq!(check_name("é/x"), Ok(()));
    }

    #[test]
    fn matching_follows_the_examples_of_the_specification() {
        let cases = [
            ("sport/#", "sport", true),
            ("sport/#", "sport/a/b", true),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(filter(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_filter_is_covered_only_by_one_that_reaches_as_far() {
        let cases = [
            ("a/b", "a/b", true),
            ("a/+", "a/+", true),
            ("a/+", "a/#", false),
            ("a/b", "a/+", false),
            ("a/b", "#", false),
            ("a/#", "a/+/c", true),
            ("a/#", "a/#", true),
            ("+/+", "a/#", false),
            ("#", "$share/g/a", false),
        ];
        for (pattern, asked, expected) in cases {
            assert_eq!(filter(pattern).covers(asked), expected, "{pattern} {asked}");
        }
    }

    #[test]
    fn filters_overlap_where_some_topic_is_meant_by_both() {
        let cases = [
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
            ("a/+", "+/b", true),
            ("a/+", "b/+", false),
            ("+/OUTC", "ops/OUTC", true),
            ("+/OUTC", "ops/x/OUTC", false),
            ("#", "a", true),
            ("a/#", "a", true),
            ("a/#", "+", true),
            ("a/b/#", "a", false),
            ("#", "$SYS/x", false),
            ("$SYS/#", "$SYS/+", true),
            ("a", "a/", false),
        ];
        for (one, two, expected) in cases {
            assert_eq!(filter(one).overlaps(&filter(two)), expected, "{one} {two}");
            assert_eq!(filter(two).overlaps(&filter(one)), expected, "{two} {one}");
        }
    }

    #[test]
    fn a_client_id_never_widens_a_pattern() {
        assert_eq!(TopicFilter::fill("%c/OUTC", "867035046242895"), Ok(filter("867035046242895/OUTC")));
        for bad in ["", "+", "#", "a/b", "$x"] {
            assert_eq!(TopicFilter::fill("%c/OUTC", bad), Err(FillError::ClientId), "{bad}");
        }
        assert_eq!(TopicFilter::fill("a#/%c", "b"), Err(FillError::Pattern));
    }
}
