//! Words that many devices have in common, such as accounts, kept once.

use std::collections::HashMap;

/// No more words than this are kept apart; a further one is not shown.
const MAX_WORDS: usize = 4096;

/// Words by number; 0 is the empty one.
#[derive(Debug, Default)]
pub(crate) struct Words {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Words {
    /// The number of a word, which is made if need be.
    pub(crate) fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        if word.is_empty() || self.texts.len() >= MAX_WORDS {
            return 0;
        }
        self.texts.push(word.into());
        let number = u32::try_from(self.texts.len()).unwrap_or(0);
        self.numbers.insert(word.into(), number);
        number
    }

    /// The word of a number.
    pub(crate) fn text(&self, number: u32) -> String {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        index.and_then(|index| self.texts.get(index)).map(ToString::to_string).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded() {
        let mut words = Words::default();
        assert_eq!((words.number(""), words.number("a"), words.number("a")), (0, 1, 1));
        for number in 0..2 * MAX_WORDS {
            words.number(&number.to_string());
        }
        assert_eq!(words.texts.len(), MAX_WORDS);
        assert_eq!(
            (words.text(1), words.text(0), words.text(u32::MAX)),
            ("a".into(), String::new(), String::new())
        );
    }
}
